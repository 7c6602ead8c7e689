//! Chromium with axe-core from npm.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::output::stderr;

/// Programs that a browser needs.
pub const PROGRAMS: [&str; 3] = ["chromium", "npm", "timeout"];

/// A real browser with the accessibility rules of axe-core.
pub struct Browser {
    pub dir: tempfile::TempDir,
    axe: String,
}

impl Browser {
    pub fn new() -> Browser {
        let dir = tempfile::tempdir().unwrap();
        let packed = Command::new("npm")
            .args(["pack", "--silent", "axe-core@4.14.1"])
            .current_dir(dir.path())
            .output()
            .expect("npm is installed");
        assert!(packed.status.success(), "{}", stderr(&packed));
        let archive = String::from_utf8_lossy(&packed.stdout).trim().to_owned();
        let unpacked = Command::new("tar").args(["xf", &archive]).current_dir(dir.path()).status().unwrap();
        assert!(unpacked.success(), "{archive}");
        let axe = std::fs::read_to_string(dir.path().join("package/axe.min.js")).unwrap();
        Browser { dir, axe }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn chromium(&self, args: &[String], page: &Path) -> String {
        let profile = tempfile::tempdir_in(self.dir.path()).unwrap();
        let output = Command::new("timeout")
            .args(["120", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(args)
            .arg(format!("file://{}", page.display()))
            .output()
            .expect("chromium is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Returns the accessibility violations of a page and its width in pixels.
    ///
    /// A headless window is never narrower than 500 pixels, so the page is checked inside a frame of the
    /// requested width.
    pub fn faults(&self, html: &str, width: u32, dark: bool, everything_open: bool) -> serde_json::Value {
        let open = if everything_open {
            "document.querySelectorAll('details').forEach(d => d.open = true);"
        } else {
            ""
        };
        let script = format!(
            "<script>{}</script><script>
             window.addEventListener('load', async () => {{
               {open}
               const wide = document.documentElement.scrollWidth;
               const faults = await axe.run(document, {{iframes: false, resultTypes: ['violations']}});
               const of = v => ({{id: v.id, help: v.help, nodes: v.nodes.slice(0, 5).map(n => n.html.slice(0, 300) + ' ' + (n.failureSummary || ''))}});
               const dark = matchMedia('(prefers-color-scheme: dark)').matches;
               parent.postMessage(JSON.stringify({{window: innerWidth, wide, dark, passes: faults.passes.length, faults: faults.violations.map(of)}}), '*');
             }});</script></body>",
            self.axe.replace("</script", "<\\/script")
        );
        self.write("copy.html", &html.replace("</body>", &script));
        let host = format!(
            "<!doctype html><html><body style='margin:0'><pre id=result></pre>
             <script>addEventListener('message', e => {{ document.getElementById('result').textContent = '@@' + e.data + '@@'; }});</script>
             <iframe src='copy.html' style='border:0;width:{width}px;height:900px'></iframe></body></html>"
        );
        let host = self.write("host.html", &host);
        let mut args = vec![
            "--window-size=1600,1000".to_owned(),
            "--virtual-time-budget=60000".into(),
            "--dump-dom".into(),
        ];
        if dark {
            args.push("--blink-settings=preferredColorScheme=0".into());
        }
        let dom = self.chromium(&args, &host);
        let text = dom.split("@@").nth(1).unwrap_or_else(|| panic!("no result in {dom}"));
        let text =
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&");
        serde_json::from_str(&text).unwrap()
    }

    /// Asserts that the page has no violation and no horizontal scrolling: on a desktop and a phone, in light and dark,
    /// with details closed and open.
    pub fn check(&self, html: &str) {
        for (width, dark) in [(1400, false), (1400, true), (360, false), (360, true)] {
            for everything_open in [false, true] {
                let seen = self.faults(html, width, dark, everything_open);
                let what = format!("width {width}, dark {dark}, everything open {everything_open}");
                assert_eq!((&seen["window"], &seen["dark"]), (&width.into(), &dark.into()), "{what}");
                assert_eq!(seen["faults"], serde_json::json!([]), "{what}: {seen:#}");
                assert!(seen["passes"].as_u64().unwrap() > 20, "{what}: axe checked nothing: {seen}");
                assert!(
                    seen["wide"].as_u64().unwrap() <= u64::from(width),
                    "{what}: the page is {} pixels wide",
                    seen["wide"]
                );
            }
        }
    }
}
