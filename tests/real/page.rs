//! The page of a comparison in a browser: no accessibility fault and no horizontal scrolling, in light and dark, on a
//! desktop and on a phone.

use kpatch_build::compare::page;

use crate::support::browser::{Browser, PROGRAMS};
use crate::support::fixtures::comparison;
use crate::support::need::have;

#[test]
fn the_page_has_no_accessibility_fault_and_no_horizontal_scrolling() {
    if !have(&PROGRAMS) {
        return;
    }
    let browser = Browser::new();
    let comparison = comparison::full();
    comparison::write_transcripts(&comparison, browser.dir.path());
    browser.check(&page(&comparison, browser.dir.path()));
}

/// A faulty page shows that the check works.
#[test]
fn the_check_finds_faults() {
    if !have(&PROGRAMS) {
        return;
    }
    let browser = Browser::new();
    let bad = "<!doctype html><html lang=en><head><title>x</title></head><body><main><h1>x</h1>\
               <p style='color:#aaa;background:#fff'>faint</p><img src=x><div style='width:2000px'>wide</div></main></body></html>";
    let seen = browser.faults(bad, 360, false, false);
    let ids: Vec<_> =
        seen["faults"].as_array().unwrap().iter().map(|fault| fault["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"color-contrast") && ids.contains(&"image-alt"), "{seen:#}");
    assert!(seen["wide"].as_u64().unwrap() >= 2000, "{seen:#}");
}
