//! The shipped kconfigs against real kernel trees.
//!
//! `KPATCH_BUILD_TEST_TREES` names source trees, separated by colons.

mod common;

use common::{Bench, trees};
use kpatch_build::base::error::Explain;
use kpatch_build::kernel::kconfig::Kconfig;
use kpatch_build::stages::configure::{Error, configure};

#[test]
fn real_shipped_kconfigs_survive_on_every_line() {
    let mut losses = Vec::new();
    for tree in trees() {
        for names in [&["boot"][..], &["boot", "debug"], &["cloud"]] {
            let bench = Bench::new(&tree);
            let plan = bench.plan(names, 1);
            match configure(&bench.cx, &plan, &bench.patched()) {
                Ok(_) => {}
                Err(Error::Lost { lost, release }) => {
                    losses.extend(lost.iter().map(|lost| format!("{release}: {lost}")));
                }
                Err(error) => panic!("{names:?}: {error:?}\n{}", bench.log("configure")),
            }
        }
    }
    assert!(losses.is_empty(), "{}", losses.join("\n"));
}

#[test]
fn real_an_option_whose_dependency_is_turned_off_is_named_with_it() {
    for tree in trees() {
        let bench = Bench::new(&tree);
        let fragment = bench.file("off.config", "# CONFIG_CGROUPS is not set\n");
        let mut plan = bench.plan(&["boot"], 1);
        plan.kconfig = Kconfig::load(&["boot".to_owned(), fragment]).unwrap();
        let error = configure(&bench.cx, &plan, &bench.patched()).unwrap_err();
        assert_eq!(error.exit() as u8, 3);
        let text = error.to_string();
        assert!(text.starts_with("CONFIG_CGROUP_FREEZER=y of boot, line "), "{text}");
        assert!(text.contains("is not set: it depends on CGROUPS, which is n by "), "{text}");
        assert!(text.contains("init/Kconfig:"), "{text}");
    }
}
