"""Every setting of a run as a page, from the doc comments of the structs that read them.

    python3 .ci/settings.py --write            writes docs/settings.md
    python3 .ci/settings.py SOUP               fails where the page is old, or where `SOUP train` knows other keys or defaults

The program is the judge: a tiny run is trained for every kind of loss, optimiser, schedule, mix and average, and the keys and
values of its config.toml are compared with those of the page.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"
SOURCES = {path: path.read_text() for path in sorted((ROOT / "crates").glob("*/src/**/*.rs"))}

# Section, struct or tagged enum, crate that has it.
SECTIONS = [
    ("data", "DataConfig", "soup-train"),
    ("folds", "FoldsConfig", "soup-train"),
    ("compose", "ComposeConfig", "soup-compose"),
    ("transforms", "Transform", "soup-data"),
    ("mix", "Mix", "soup-train"),
    ("model", "ModelConfig", "soup-model"),
    ("loss", "Loss", "soup-train"),
    ("boxes", "Boxes", "soup-train"),
    ("optimizer", "Optimizer", "soup-engine"),
    ("schedule", "Schedule", "soup-train"),
    ("train", "TrainConfig", "soup-train"),
    ("average", "Average", "soup-train"),
]
INTRODUCTIONS = {
    "transforms": "A list of tables, `[[transforms]]`, each with `kind`. There is no default list: a preset or a file gives one.",
    "mix": "Off where the section is missing. `kind` chooses the table below.",
    "average": "Off where the section is missing.",
    "loss": "`kind` chooses the table below; the default is `bce`.",
    "optimizer": "`kind` chooses the table below; the default is `adam`.",
    "schedule": "`kind` chooses the table below; the default is `constant`.",
}


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def renamed(name, rule):
    return {"lowercase": name.lower(), "kebab-case": snake(name).replace("_", "-")}.get(rule, snake(name))


def item(kind, name, near):
    """File, attributes and body of `pub KIND NAME`: in the file `near`, its folder, its crate, or elsewhere."""
    crate = near.relative_to(ROOT).parts[:2]
    order = sorted(
        SOURCES, key=lambda path: (path != near, path.parent != near.parent, path.relative_to(ROOT).parts[:2] != crate)
    )
    for path in order:
        start = SOURCES[path].find(f"\npub {kind} {name} {{") + 1
        if not start:
            continue
        above = SOURCES[path][:start].rpartition("\n\n")[2]
        rest = SOURCES[path][start:].partition("{")[2]
        return path, above, "" if rest.startswith("}") else rest.partition("\n}")[0]
    return None


def cleaned(lines):
    text = " ".join(word for line in lines if (word := line.strip().removeprefix("///").strip()))
    text = re.sub(r"\[(`[^`]+`)\](?:\([^)]*\))?", r"\1", text)
    return text.replace("|", "\\|").replace("`crate::models`", "`soup models`")


def entries(body):
    """Doc comment, attributes and head of every field or variant of a body."""
    doc, attributes = [], []
    for line in body.splitlines():
        word = line.strip()
        if word.startswith("///"):
            doc.append(word)
        elif word.startswith("#["):
            attributes.append(word)
        elif found := re.match(r"(?:pub )?(\w+)(?:: (.+?)|\((.+?)\))?,$", word):
            yield cleaned(doc), " ".join(attributes), found[1], found[2] or found[3] or ""
            doc, attributes = [], []


def words(kind, near):
    """The names of an enum of words, none where the type is something else."""
    found = item("enum", kind, near) if re.fullmatch(r"[A-Z]\w+", kind) else None
    if not found or "rename_all" not in found[1] or "tag =" in found[1]:
        return []
    rule = re.search(r'rename_all = "([\w-]+)"', found[1])[1]
    return [renamed(name, rule) for _, _, name, inner in entries(found[2]) if not inner]


def value(text, near):
    """A Rust literal as TOML writes it."""
    text = text.strip().removesuffix(".to_owned()")
    constants = dict(re.findall(r"const (\w+): \([^=]*= \((.*)\);", SOURCES[near]))
    if found := re.fullmatch(r"([A-Z_]+)\.(\d)", text):
        parts = re.findall(r"\[[^\]]*\]", constants[found[1]])
        text = parts[int(found[2])]
    if found := re.fullmatch(r"\[(.+); (\d)\]", text):
        text = f"[{', '.join([found[1]] * int(found[2]))}]"
    if text == "String::new()":
        return '""'
    if text in ("Vec::new()", "vec![]"):
        return "[]"
    if text == "GlyphSpec::default()":
        return '"strokes"'
    if found := re.fullmatch(r"(?:\w+)::(\w+)(?:\((.+)\))?", text):
        return found[2] or f'"{snake(found[1])}"'
    if found := re.fullmatch(r"([\d.]+) / ([\d.]+)", text):
        return repr(float(found[1]) / float(found[2]))
    return "" if text == "None" else text.replace("vec![", "[").replace("_", "") if text[:1] != '"' else text


def function_value(name, near):
    """What a function of serde's `default = "NAME"` gives."""
    last = name.split("::")[-1]
    order = sorted(SOURCES, key=lambda path: (path != near, path.parent != near.parent))
    for path in order:
        if found := re.search(rf"fn {last}\(\) -> [^{{]+\{{\n\s+(.+)\n\}}", SOURCES[path]):
            return value(found[1], path)
    raise SystemExit(f"error: {near}: no function {name}")


def fields(struct, near):
    """Doc of a struct, and key, default and text of each of its fields; a default of None must be given."""
    found = item("struct", struct, near)
    if not found:
        raise SystemExit(f"error: no struct {struct}")
    path, above, body = found
    doc = cleaned([line for line in above.splitlines() if line.startswith("///")])
    all_default = "serde(default" in above
    block = re.search(rf"^impl Default for {struct} \{{(.*?)^\}}", SOURCES[path], re.M | re.S)
    inner = re.sub(r"//[^\n]*", "", block[1]) if block else ""
    defaults = dict(re.findall(r"(\w+): ((?:\[[^\]]*\]|[^,\[])+),", inner.partition("Self {")[2]))
    rows = []
    for text, attributes, key, kind in entries(body):
        optional = kind.startswith("Option<")
        plain = kind.removeprefix("Option<").removesuffix(">") if optional else kind
        if named := re.search(r'default = "([\w:]+)"', attributes):
            default = function_value(named[1], path)
        elif key in defaults:
            default = value(defaults[key], path)
        elif optional:
            default = ""
        elif all_default or "serde(default" in attributes:
            default = unsaid(plain, path)
        else:
            default = None
        if choices := words(plain, path):
            text += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
        rows.append((key, default, text))
    return doc, rows


def unsaid(kind, near):
    if kind == "bool":
        return "false"
    if kind in ("Fill", "EraseValue"):
        return "0"
    if kind.startswith(("u", "i", "f")):
        return "0" if kind[0] != "f" else "0.0"
    if kind.startswith("Vec"):
        return "[]"
    found = item("enum", kind, near)
    if not found:
        return '""'
    rule = re.search(r'rename_all = "([\w-]+)"', found[1])
    for _, attributes, name, _ in entries(found[2]):
        if "#[default]" in attributes:
            return f'"{renamed(name, rule[1] if rule else "")}"'
    raise SystemExit(f"error: no default of {kind}")


def tables():
    """Section, kind (none where a section has no kinds), doc and rows."""
    for section, name, crate in SECTIONS:
        near = next(path for path in SOURCES if path.relative_to(ROOT).parts[1] == crate and f" {name} {{" in SOURCES[path])
        variants = item("enum", name, near)
        if not variants:
            doc, rows = fields(name, item("struct", name, near)[0])
            yield section, None, doc, rows
            continue
        rule = re.search(r'rename_all = "([\w-]+)"', variants[1])[1]
        for _, _, variant, inner in sorted(entries(variants[2]), key=lambda entry: entry[2]):
            # A program's own, which has no settings.
            if variant.startswith("Own"):
                continue
            doc, rows = fields(inner, variants[0])
            yield section, renamed(variant, rule), doc, rows


def page():
    out = [
        "# Every setting\n",
        "With this page you can look up any key of a configuration: what it does and what it is where you do not set it.\n",
        "`soup train` reads a TOML file or a preset (`--preset`), then `section.key=value` arguments; later ones win. The keys of an",
        "entry of a list take its place: `transforms.0.size=224`. `config.toml` in a run has every key with its value.",
        "A key that does not exist is an error that names the nearest one.\n",
        "This page is made of the program's own comments by `.ci/settings.py --write`. `.ci/docs` fails where the page, the code and",
        "the program do not agree. Where each variant comes from: [variants](variants.md).\n",
    ]
    last = None
    for section, kind, doc, rows in tables():
        if section != last:
            out.append(f"## `[{section}]`\n" if section != "transforms" else "## `[[transforms]]`\n")
            if section in INTRODUCTIONS:
                out.append(INTRODUCTIONS[section] + "\n")
            last = section
        if kind:
            out.append(f"### `{kind}`\n")
        if kind or section == "compose":
            out.append(doc + "\n")
        if not rows:
            out.append("No keys of its own.\n")
            continue
        out.append("| key | default | what |\n|---|---|---|")
        for key, default, text in rows:
            shown = "must be given" if default is None else f"`{default}`" if default else "none"
            out.append(f"| `{key}` | {shown} | {text} |")
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def compare(soup):
    """Keys and defaults of the page with those of runs."""
    known = {}
    for section, kind, _, rows in tables():
        if section != "transforms":
            known.setdefault(section, {})[kind] = {key: default for key, default, _ in rows}
    kinds = {section: list(of) for section, of in known.items() if None not in of}
    kinds["average"] = ["ema", "swa"]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        def run(*arguments):
            subprocess.run([soup, "--quiet", *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL)

        run("compose", "--count", "12", "--out", "set", "compose.width=64", "compose.height=64", "compose.letters=[1,3]")
        run("pack", "--data", "set", "--out", "pack")
        given = ["data.path=pack", "model.name=soup_nano", "train.epochs=1", "transforms=[{kind='normalize', preset='none'}]"]
        for round_ in range(max(map(len, kinds.values()))):
            chosen = {section: of[round_ % len(of)] for section, of in kinds.items()}
            if chosen["loss"] == "two_way":
                del chosen["mix"]
            out = f"run{round_}"
            run("train", "--out", out, "--fold", "0", *given, *(f"{section}.kind={kind}" for section, kind in chosen.items()))
            config = tomllib.loads((Path(folder) / out / "config.toml").read_text())
            for section, of in known.items():
                written = config.get(section)
                if written is None:
                    continue
                kind = chosen.get(section) if None not in of else None
                here = of[kind]
                extra = set(written) - set(here) - {"kind"}
                lost = {key for key, default in here.items() if default != ""} - set(written)
                wrong += [f"{section}.{key}: only in the program" for key in sorted(extra)]
                wrong += [f"{section}.{key}: only on the page" for key in sorted(lost)]
                for key in set(written) & set(here):
                    settled = f"{section}.{key}" in ("train.device", "model.precision", f"{section}.kind")
                    if settled or any(text.startswith(f"{section}.{key}=") for text in given):
                        continue
                    shown = tomllib.loads(f"value = {here[key]}")["value"]
                    if shown != written[key]:
                        wrong.append(f"{section}.{key}: {shown!r} on the page, {written[key]!r} in the program")
    return sorted(set(wrong))


def main():
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page())
        return
    if not PAGE.exists() or PAGE.read_text() != page():
        raise SystemExit("error: docs/settings.md is not what the sources say; run .ci/settings.py --write")
    if len(sys.argv) == 2 and (wrong := compare(str(Path(sys.argv[1]).resolve()))):
        raise SystemExit("error: docs/settings.md and the program differ:\n  " + "\n  ".join(wrong))


main()
