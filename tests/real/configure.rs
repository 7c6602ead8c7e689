//! The shipped kconfigs against real kernel trees.

use kpatch_build::base::error::Explain;
use kpatch_build::kernel::kconfig::Kconfig;
use kpatch_build::stages::configure::{Error, configure};

use crate::support::fixtures::stages::Fixture;
use crate::support::kernel;
use crate::support::tool::can_boot;

#[test]
fn real_shipped_kconfigs_lose_no_option_on_any_line() {
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
                Err(Error::Lost { lost }) => {
                    losses.extend(lost.iter().map(|lost| format!("{}: {lost}", fixture.release)));
                }
                Err(error) => panic!("{names:?}: {error:?}\n{}", fixture.log("configure")),
            }
        }
    }
    assert!(losses.is_empty(), "{}", losses.join("\n"));
}

#[test]
fn real_a_lost_option_is_named_with_the_dependency_that_is_off() {
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
        assert!(text.starts_with("CONFIG_CGROUP_FREEZER=y from boot, line "), "{text}");
        assert!(text.contains("is not set: it depends on CGROUPS, which is n by "), "{text}");
        assert!(text.contains("init/Kconfig:"), "{text}");
    }
}
