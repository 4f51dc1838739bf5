//! `answer MODEL.soup IMAGE...`: which labels are in images, and how long that took.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool"
)]

use std::time::Instant;

use soup::{Image, Model};

fn main() -> Result<(), soup::Error> {
    let mut arguments = std::env::args().skip(1);
    let Some(model) = arguments.next() else {
        eprintln!("usage: answer MODEL.soup IMAGE...");
        return Ok(());
    };
    let started = Instant::now();
    let model = Model::load(model)?;
    eprintln!("loaded in {:.1?}", started.elapsed());
    for path in arguments {
        let image = Image::open(&path)?;
        let started = Instant::now();
        let answers = model.predict(&image)?;
        eprintln!("answered in {:.1?}", started.elapsed());
        let found: Vec<&str> = answers
            .iter()
            .filter(|a| a.found)
            .map(|a| a.label)
            .collect();
        println!("{path}: {}", found.join(" "));
    }
    Ok(())
}
