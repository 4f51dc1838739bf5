//! Flags that had another name in an earlier version. They are still read.

use std::ffi::OsString;

/// A flag of a verb: the verb, the flag in earlier versions, and now.
pub const RENAMED: [(&str, &str, &str); 6] = [
    ("quickstart", "--pictures", "--images"),
    ("quickstart", "--test-pictures", "--test-images"),
    ("tta", "--pictures", "--images"),
    ("report", "--pictures", "--images"),
    ("export", "--picture", "--image"),
    ("serve", "--max-pictures", "--max-images"),
];

/// Arguments of the program with the present names of their flags, and a hint for each old one.
pub fn flags(arguments: impl IntoIterator<Item = OsString>) -> (Vec<OsString>, Vec<String>) {
    let (mut verb, mut is_over, mut hints) = (None, false, Vec::new());
    let mut present = |(place, argument): (usize, OsString)| {
        // What is no text is no flag, and the first argument is the program.
        let Some(text) = argument.to_str().filter(|_| place > 0 && !is_over) else {
            return argument;
        };
        if verb.is_none() && !text.starts_with('-') {
            verb = Some(text.to_owned());
        }
        // Behind `--` there are no flags.
        is_over = text == "--";
        let (flag, value) = match text.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (text, None),
        };
        let is_old =
            |(of, old, _): &&(&str, &str, &str)| verb.as_deref() == Some(*of) && *old == flag;
        let Some((_, old, new)) = RENAMED.iter().find(is_old) else {
            return argument;
        };
        let hint = format!("{old} is now called {new}");
        if !hints.contains(&hint) {
            hints.push(hint);
        }
        match value {
            Some(value) => format!("{new}={value}").into(),
            None => (*new).into(),
        }
    };
    let arguments = arguments
        .into_iter()
        .enumerate()
        .map(&mut present)
        .collect();
    (arguments, hints)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    fn rewritten(line: &str) -> (String, Vec<String>) {
        let (arguments, hints) = flags(line.split(' ').map(OsString::from));
        let words = arguments.iter().map(|word| word.to_str().unwrap());
        (words.collect::<Vec<_>>().join(" "), hints)
    }

    #[test]
    fn every_old_flag_is_read() {
        let command = crate::Arguments::command();
        for (verb, old, new) in RENAMED {
            let verb_of = command.find_subcommand(verb).unwrap();
            let has = |flag: &str| {
                let long = flag.strip_prefix("--");
                verb_of
                    .get_arguments()
                    .any(|known| known.get_long() == long)
            };
            assert!(has(new) && !has(old), "{verb} {old} {new}");
            for between in [" ", "="] {
                let (line, hints) = rewritten(&format!("soup -q {verb} x {old}{between}5"));
                assert_eq!(line, format!("soup -q {verb} x {new}{between}5"));
                assert_eq!(hints, [format!("{old} is now called {new}")]);
            }
        }
    }

    #[test]
    fn all_else_stays() {
        for line in [
            "soup",
            "soup tta run --images 5",
            "soup tta -- --pictures",
            "soup train --pictures 5",
            "--pictures tta",
        ] {
            assert_eq!(rewritten(line), (line.to_owned(), Vec::new()));
        }
        let (_, hints) = rewritten("soup quickstart --pictures 5 --pictures=6");
        assert_eq!(hints.len(), 1);
    }

    #[test]
    fn the_glossary_lists_every_old_name() {
        let glossary = include_str!("../../../docs/glossary.md");
        let (_, listed) = glossary
            .split_once("## Old settings, flags and kinds")
            .unwrap();
        let keys = soup_train::config::renamed::RENAMED;
        let keys = keys.iter().map(|key| ("settings", key.old, key.new));
        for (place, old, new) in keys.chain(RENAMED) {
            let row = |line: &&str| {
                let cells: Vec<&str> = line.split('|').collect();
                cells.len() == 5
                    && cells[1].contains(place)
                    && cells[2].trim() == format!("`{old}`")
                    && cells[3].trim() == format!("`{new}`")
            };
            assert!(listed.lines().any(|line| row(&line)), "{place} {old} {new}");
        }
    }
}
