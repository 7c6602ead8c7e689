//! Pictures of a comparison's page, in light and dark: `cargo run --example screenshots -- OUT [DIR]`.
//!
//! DIR is what `kpatch-build compare --out DIR` wrote. Without it the page shows the comparison that the tests make
//! up, with every state that a cell can have. OUT receives `compare-light.png` and `compare-dark.png`. Needs Chromium.

#[path = "../tests/support/fixtures/comparison.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod comparison;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Width and height in pixels: the answer and the head of the matrix.
const SIZE: &str = "--window-size=1400,1100";

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let out = args.next().ok_or("usage: cargo run --example screenshots -- OUT [DIR]")?;
    std::fs::create_dir_all(&out)?;
    let scratch = tempfile::tempdir()?;
    let page = match args.next() {
        Some(dir) => dir.join("compare.html").canonicalize()?,
        None => made_up(scratch.path())?,
    };
    picture(&page, &out.join("compare-light.png"), &[])?;
    picture(&page, &out.join("compare-dark.png"), &["--blink-settings=preferredColorScheme=0"])
}

fn made_up(dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let comparison = comparison::full();
    comparison::write_transcripts(&comparison, dir);
    let page = dir.join("compare.html");
    std::fs::write(&page, kpatch_build::compare::page(&comparison, dir))?;
    Ok(page)
}

fn picture(page: &Path, to: &Path, options: &[&str]) -> Result<(), Box<dyn Error>> {
    let profile = tempfile::tempdir()?;
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", SIZE])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--screenshot={}", to.display()))
        .args(options)
        .arg(format!("file://{}", page.display()))
        .output()?;
    if !output.status.success() || !to.exists() {
        return Err(format!("chromium: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    println!("{}", to.display());
    Ok(())
}
