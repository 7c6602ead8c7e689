//! Writes the JSON schemas of `report.json` and `compare.json` into the documentation:
//! `cargo run --example schemas`. A test fails while the committed files differ from the types.

use std::path::Path;

use kpatch_build::{compare, report};

fn main() -> std::io::Result<()> {
    let directory = Path::new("docs/src/reference");
    for (name, schema) in
        [("report.schema.json", report::schema()), ("compare.schema.json", compare::schema())]
    {
        let path = directory.join(name);
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path), schema)?;
        println!("{}", path.display());
    }
    Ok(())
}
