//! Renderers of [`crate::base::events`]: bars for a terminal, lines for a log, JSON for a program.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressStyle};

use crate::base::events::{Event, Events, Sink, Stage, Status, Unit};
use crate::base::options::ProgressMode;

/// Returns the renderer for a mode; `terminal` says whether standard error is a terminal.
pub(super) fn renderer(mode: ProgressMode, terminal: bool) -> Events {
    match mode {
        ProgressMode::Bars => Events::new(Bars::new()),
        ProgressMode::Auto if terminal => Events::new(Bars::new()),
        ProgressMode::Auto | ProgressMode::Plain => Events::new(Plain::new(std::io::stderr())),
        ProgressMode::Json => Events::new(Json::new(std::io::stdout())),
        ProgressMode::None => Events::silent(),
    }
}

/// The word for a status.
fn word(status: Status) -> &'static str {
    match status {
        Status::Done => "done",
        Status::Cached => "cached",
        Status::Failed => "FAILED",
        Status::Skipped => "skipped",
    }
}

/// One bar for the running stage; a finished stage collapses to one line.
struct Bars {
    all: MultiProgress,
    running: Mutex<HashMap<Stage, ProgressBar>>,
}

impl Bars {
    fn new() -> Bars {
        Bars { all: MultiProgress::new(), running: Mutex::default() }
    }

    fn line(&self, text: &str) {
        let text = cut(text, terminal_width());
        // The terminal may have gone away.
        let _ = self.all.println(text);
    }

    fn style(total: Option<u64>, unit: Unit) -> ProgressStyle {
        let template = match (total, unit) {
            (Some(_), Unit::Bytes) => {
                "{prefix:>9}  {bar:24} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left  {msg}"
            }
            (None, Unit::Bytes) => "{prefix:>9}  {spinner} {bytes} {bytes_per_sec}  {msg}",
            (Some(_), Unit::Seconds) => "{prefix:>9}  {bar:24} {pos} s of at most {len} s  {msg}",
            (None, Unit::Seconds) => "{prefix:>9}  {spinner} {pos} s  {msg}",
            (Some(_), Unit::Files) => "{prefix:>9}  {bar:24} {pos}/{len} files, {eta} left  {msg}",
            (None, Unit::Files) => "{prefix:>9}  {spinner} {pos} files  {msg}",
            (Some(_), Unit::Objects) => "{prefix:>9}  {bar:24} {pos}/{len} objects, {eta} left  {msg}",
            (None, Unit::Objects) => "{prefix:>9}  {spinner} {pos} objects, {elapsed}  {msg}",
        };
        ProgressStyle::with_template(template).expect("the templates are constant").progress_chars("=> ")
    }
}

impl Sink for Bars {
    fn event(&self, event: &Event) {
        let mut running = self.running.lock().expect("no renderer panics");
        match event {
            Event::Started { stage, what } => {
                let bar = self.all.add(ProgressBar::new_spinner());
                bar.set_style(
                    ProgressStyle::with_template("{prefix:>9}  {spinner} {msg}")
                        .expect("the template is constant"),
                );
                bar.set_prefix(stage.name());
                bar.set_message(what.clone());
                bar.enable_steady_tick(Duration::from_millis(120));
                running.insert(*stage, bar);
            }
            Event::Progress { stage, done, total, unit } => {
                let Some(bar) = running.get(stage) else { return };
                if bar.length() != *total || *done == 0 || bar.position() == 0 {
                    bar.set_style(Bars::style(*total, *unit));
                }
                if let Some(total) = total {
                    bar.set_length(*total);
                }
                bar.set_position(*done);
            }
            Event::Note { stage, text } => self.line(&format!("{stage:>9}  note: {text}")),
            Event::Finished { stage, status, seconds, summary } => {
                if let Some(bar) = running.remove(stage) {
                    bar.finish_and_clear();
                }
                self.line(&finished(*stage, *status, *seconds, summary));
            }
            // The summary and the failure are printed after the last stage.
            Event::Result { .. } | Event::Failed { .. } => {}
        }
    }
}

/// Cuts a line to a width, and says where the whole text is.
fn cut(text: &str, width: usize) -> Cow<'_, str> {
    console::truncate_str(text, width, "… (whole in report.json)")
}

/// The width of the terminal on standard error, in columns. Longer lines are cut; the report has the whole text.
fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col).max(40))
}

fn finished(stage: Stage, status: Status, seconds: f64, summary: &str) -> String {
    format!("{stage:>9}  {:<7} {seconds:>6.1} s  {summary}", word(status)).trim_end().to_owned()
}

/// One line for each event; progress at most every [`PLAIN_INTERVAL`].
struct Plain<W> {
    state: Mutex<(W, HashMap<Stage, Pace>)>,
}

/// When a stage started, and when its last line was printed.
struct Pace {
    started: Instant,
    printed: Instant,
}

const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

impl<W: Write> Plain<W> {
    fn new(out: W) -> Plain<W> {
        Plain { state: Mutex::new((out, HashMap::new())) }
    }
}

impl<W: Write + Send> Sink for Plain<W> {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().expect("no renderer panics");
        let (out, paces) = &mut *state;
        let now = Instant::now();
        let line = match event {
            Event::Started { stage, what } => {
                paces.insert(*stage, Pace { started: now, printed: now });
                format!("{stage:>9}  {what}")
            }
            Event::Progress { stage, done, total, unit } => {
                let Some(pace) = paces.get_mut(stage) else { return };
                if now - pace.printed < PLAIN_INTERVAL {
                    return;
                }
                pace.printed = now;
                format!("{stage:>9}  {}", count(*done, *total, *unit, now - pace.started))
            }
            Event::Note { stage, text } => format!("{stage:>9}  note: {text}"),
            Event::Finished { stage, status, seconds, summary } => {
                paces.remove(stage);
                finished(*stage, *status, *seconds, summary)
            }
            // The summary and the failure are printed after the last stage.
            Event::Result { .. } | Event::Failed { .. } => return,
        };
        // A closed standard error does not end the run.
        let _ = writeln!(out, "{line}");
    }
}

fn count(done: u64, total: Option<u64>, unit: Unit, elapsed: Duration) -> String {
    let amount = |n: u64| match unit {
        Unit::Bytes => HumanBytes(n).to_string(),
        Unit::Files => format!("{n} files"),
        Unit::Objects => format!("{n} objects"),
        Unit::Seconds => format!("{n} s"),
    };
    match total {
        Some(total) if done > 0 && done <= total => {
            let left = elapsed.mul_f64((total - done) as f64 / done as f64);
            format!("{} of {}, {} left", amount(done), amount(total), HumanDuration(left))
        }
        _ => amount(done),
    }
}

/// One JSON object per line; progress of a stage at most every [`JSON_INTERVAL`].
struct Json<W> {
    state: Mutex<(W, HashMap<Stage, Instant>)>,
}

const JSON_INTERVAL: Duration = Duration::from_secs(1);

impl<W: Write> Json<W> {
    fn new(out: W) -> Json<W> {
        Json { state: Mutex::new((out, HashMap::new())) }
    }
}

impl<W: Write + Send> Sink for Json<W> {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().expect("no renderer panics");
        let (out, printed) = &mut *state;
        match event {
            Event::Progress { stage, .. } => {
                let now = Instant::now();
                if printed.get(stage).is_some_and(|last| now - *last < JSON_INTERVAL) {
                    return;
                }
                printed.insert(*stage, now);
            }
            Event::Finished { stage, .. } => drop(printed.remove(stage)),
            _ => {}
        }
        let text = serde_json::to_string(event).expect("events serialise");
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(std::sync::Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn run_of_one_stage(sink: &dyn Sink) {
        sink.event(&Event::Started { stage: Stage::Build, what: "6.1.187".into() });
        sink.event(&Event::Progress { stage: Stage::Build, done: 1, total: Some(2), unit: Unit::Objects });
        sink.event(&Event::Note { stage: Stage::Build, text: "a note".into() });
        let summary = "bzImage".to_owned();
        sink.event(&Event::Finished { stage: Stage::Build, status: Status::Done, seconds: 1.25, summary });
    }

    #[test]
    fn plain_lines_show_progress_at_intervals() {
        let out = Shared::default();
        run_of_one_stage(&Plain::new(out.clone()));
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "    build  6.1.187\n    build  note: a note\n    build  done       1.2 s  bzImage\n"
        );
    }

    #[test]
    fn json_has_one_line_for_every_event_but_progress_at_intervals() {
        let out = Shared::default();
        let json = Json::new(out.clone());
        run_of_one_stage(&json);
        for done in 0..100 {
            json.event(&Event::Progress { stage: Stage::Fetch, done, total: None, unit: Unit::Bytes });
        }
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let kinds: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(kinds, ["started", "progress", "note", "finished", "progress"]);
    }

    #[test]
    fn a_line_that_is_cut_says_where_the_whole_text_is() {
        let long = "word ".repeat(40);
        let line = cut(&long, 80);
        assert!(
            line.ends_with("… (whole in report.json)") && console::measure_text_width(&line) <= 80,
            "{line}"
        );
        assert_eq!(cut("short", 80), "short");
    }

    #[test]
    fn a_count_with_a_total_shows_the_time_left() {
        let text = count(25, Some(100), Unit::Objects, Duration::from_secs(10));
        assert_eq!(text, "25 objects of 100 objects, 30 seconds left");
    }
}
