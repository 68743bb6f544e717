//! How far the work is: a bar on a terminal, nothing on a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::Counts;

/// One line on standard error that says what happens now.
#[derive(Debug, Clone)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new() -> Self {
        // indicatif draws on a terminal and hides itself elsewhere.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.enable_steady_tick(Duration::from_millis(100));
        let it = Self(bar);
        it.step("starting");
        it
    }

    /// Something whose length is not known.
    pub(crate) fn step(&self, message: impl Into<String>) {
        let style = ProgressStyle::with_template("{spinner} {wide_msg}")
            .expect("the template is a constant");
        self.0.set_style(style);
        self.0.set_message(message.into());
    }

    /// Load of a known length.
    pub(crate) fn load(&self, what: &str, length: Duration) {
        let style =
            ProgressStyle::with_template("{spinner} {prefix} [{bar:24}] {pos}/{len} s  {wide_msg}")
                .expect("the template is a constant")
                .progress_chars("=> ");
        self.0.set_style(style);
        self.0.set_length(length.as_secs());
        self.0.set_position(0);
        self.0.set_prefix(what.to_owned());
        self.0.set_message("");
    }

    /// The load goes on.
    pub(crate) fn follow(&self, elapsed: Duration, counts: &Counts) {
        self.0.set_position(elapsed.as_secs());
        self.0.set_message(format!(
            "{} arrivals, {} requests, {} errors, {} dropped",
            counts.due.iter().sum::<u64>(),
            counts.attempts,
            counts.errors,
            counts.dropped.iter().sum::<u64>()
        ));
    }

    /// A line that stays, above the bar; on a pipe too.
    pub(crate) fn say(&self, text: &str) {
        self.0.suspend(|| {
            use std::io::Write as _;
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }

    /// Does something to the terminal that stays, above the bar.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }

    pub(crate) fn done(&self) {
        self.0.finish_and_clear();
    }
}
