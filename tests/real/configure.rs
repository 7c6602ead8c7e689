//! The shipped kconfigs against real kernel trees.

use kpatch_build::base::error::Explain;
use kpatch_build::kernel::kconfig::Kconfig;
use kpatch_build::stages::configure::{Error, configure};

use crate::support::fixtures::stages::Fixture;
use crate::support::kernel;
use crate::support::tool::can_boot;

#[test]
fn real_shipped_kconfigs_survive_on_every_line() {
    if !can_boot() {
        return;
    }
    let mut losses = Vec::new();
    for tree in kernel::trees() {
        for names in [&["boot"][..], &["boot", "debug"], &["cloud"]] {
            let fixture = Fixture::new(&tree);
            let plan = fixture.plan(names, 1);
            match configure(&fixture.cx, &plan, &fixture.patched()) {
                Ok(_) => {}
                Err(Error::Lost { lost, release }) => {
                    losses.extend(lost.iter().map(|lost| format!("{release}: {lost}")));
                }
                Err(error) => panic!("{names:?}: {error:?}\n{}", fixture.log("configure")),
            }
        }
    }
    assert!(losses.is_empty(), "{}", losses.join("\n"));
}

#[test]
fn real_an_option_whose_dependency_is_turned_off_is_named_with_it() {
    if !can_boot() {
        return;
    }
    for tree in kernel::trees() {
        let fixture = Fixture::new(&tree);
        let fragment = fixture.file("off.config", "# CONFIG_CGROUPS is not set\n");
        let mut plan = fixture.plan(&["boot"], 1);
        plan.kconfig = Kconfig::load(&["boot".to_owned(), fragment]).unwrap();
        let error = configure(&fixture.cx, &plan, &fixture.patched()).unwrap_err();
        assert_eq!(error.exit() as u8, 3);
        let text = error.to_string();
        assert!(text.starts_with("CONFIG_CGROUP_FREEZER=y of boot, line "), "{text}");
        assert!(text.contains("is not set: it depends on CGROUPS, which is n by "), "{text}");
        assert!(text.contains("init/Kconfig:"), "{text}");
    }
}
