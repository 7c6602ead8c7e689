//! A service in the guest that runs the test's commands from the second serial port.
//!
//! The messages of the kernel, the firmware and the boot loader go to the first port, so they do not mix with the
//! answers. A serial port needs no driver that a kernel might have as a module.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// The line that the guest sends when it accepts commands.
pub const READY: &str = "@ready";
/// The start of `@done STATUS BYTES`, which precedes that many bytes of output.
pub const DONE: &str = "@done ";

/// The test sends `BYTES` and a newline, then that many bytes of shell script.
const SCRIPT: &str = "\
#!/bin/sh
# Runs the scripts that come over the second serial port, one at a time, and answers with their output.
port=/dev/ttyS1
stty -F $port raw -echo clocal
exec < $port > $port
printf '\\n@ready\\n'
while read -r size; do
    dd bs=1 count=\"$size\" of=/run/test-command 2> /dev/null
    sh /run/test-command > /run/test-output 2>&1 < /dev/null
    status=$?
    printf '@done %s %s\\n' \"$status\" \"$(wc -c < /run/test-output)\"
    cat /run/test-output
done
";

/// systemd gives the script two seconds to end, so that a shutdown does not wait for its children.
const UNIT: &str = "\
[Unit]
Description=Commands of a test

[Service]
ExecStart=/usr/local/sbin/test-agent
Environment=HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive
SendSIGHUP=yes
IgnoreSIGPIPE=no
TimeoutStopSec=2

[Install]
WantedBy=multi-user.target
";

/// On a busy host, a service may need more than the 90 seconds after which systemd gives up.
const PATIENCE: &str = "[Manager]\nDefaultTimeoutStartSec=600\n";

/// Installs the service in `root` and masks the login prompts on the consoles.
pub fn install(root: &Path) {
    let program = root.join("usr/local/sbin/test-agent");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, SCRIPT).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let units = root.join("etc/systemd/system");
    let wants = units.join("multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    fs::write(units.join("test-agent.service"), UNIT).unwrap();
    symlink("../test-agent.service", wants.join("test-agent.service")).unwrap();
    let settings = root.join("etc/systemd/system.conf.d");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("patience.conf"), PATIENCE).unwrap();
    for masked in ["serial-getty@ttyS0.service", "serial-getty@ttyS1.service", "getty@tty1.service"] {
        symlink("/dev/null", units.join(masked)).unwrap();
    }
}

/// Returns the text that an image depends on: part of the key under which the image is kept.
pub fn recipe() -> String {
    format!("{SCRIPT}{UNIT}{PATIENCE}")
}
