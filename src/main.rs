fn main() {
    let mut args = std::env::args_os().skip(1);
    if let Some(mode) = args.next().filter(|mode| {
        mode == kpatch_build::process::SUPERVISE || mode == kpatch_build::process::SUPERVISE_TERMINAL
    }) {
        let rest: Vec<_> = args.collect();
        std::process::exit(kpatch_build::process::supervise(&mode.to_string_lossy(), &rest));
    }
}
