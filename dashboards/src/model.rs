//! What a dashboard is here: rows of panels, each with a question for a title and queries that answer it.

/// A dashboard.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// Ends its address in Grafana, `/d/UID`, and never changes.
    pub uid: &'static str,
    /// As lists of dashboards show it.
    pub title: &'static str,
    /// What it is for, in a sentence.
    pub description: &'static str,
    /// What its reader chooses.
    pub variables: Vec<Variable>,
    /// What is marked on every time axis.
    pub annotations: Vec<Annotation>,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

/// A choice that queries refer to as `$name`: the values of a label.
#[derive(Debug, Clone)]
pub struct Variable {
    /// As queries refer to it.
    pub name: &'static str,
    /// The metric whose label is listed, ...
    pub metric: &'static str,
    /// ... and the label.
    pub label: &'static str,
    /// What is chosen at first, ...
    pub first: &'static str,
    /// ... and what a picture is drawn of.
    pub drawn: &'static str,
}

/// Moments that a query finds: each sample is one.
#[derive(Debug, Clone)]
pub struct Annotation {
    /// As the switch above the panels calls it.
    pub name: &'static str,
    /// What finds them.
    pub expr: String,
    /// The text of each, with labels as `{{label}}`.
    pub text: &'static str,
    /// Of the mark.
    pub colour: Colour,
}

/// Panels under a heading.
#[derive(Debug, Clone)]
pub struct Row {
    /// The heading.
    pub title: &'static str,
    /// From left to right; what does not fit goes into the next line.
    pub panels: Vec<Panel>,
}

/// How a panel shows its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lines over time.
    TimeSeries,
    /// The distribution of a histogram over time.
    Heatmap,
    /// The latest value of each series as a figure.
    Stat,
    /// The latest value of each series as a row; labels are columns.
    Table,
}

/// What a number counts or measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Requests, calls or events in a second.
    PerSecond,
    /// A share, from 0 to 1, shown in percent.
    Share,
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// A multiple: 2 is twice as much.
    Times,
    /// Processors kept busy, in seconds of their time for each second.
    Processors,
}

/// Colours by what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// An objective is missed, or would be.
    Bad,
    /// Something happened, neither good nor bad.
    Note,
}

/// From which value on a colour holds; below the first it is [`Panel::base`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// In the panel's unit.
    pub from: f64,
    /// From there on.
    pub colour: Colour,
}

/// Where a click on a value leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// To the dashboard of the service that the series is of.
    Service,
    /// To the dashboard of the service that is called.
    Callee,
    /// To the dashboard of the service that consumes the events.
    Consumer,
    /// To what is known of the objective.
    Objective,
    /// To the dashboard with this uid.
    Dashboard(&'static str, &'static str),
    /// To the page of the alert.
    Runbook,
}

/// Why a panel of a healthy shop has no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// What it says instead.
    pub says: &'static str,
    /// What fills it.
    pub filled_by: Filler,
}

/// What fills a panel that is empty in a healthy shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filler {
    /// A fault or a call on an admin port, of which `scripts/check-dashboards` makes use: so it sees the panel filled.
    Fault(&'static str),
    /// A shop on servers (`loadtest up --backends`), names to look up, a version that is tried, or an OTLP endpoint.
    Servers(&'static str),
    /// Nothing: it is only about some of the services that can be chosen, and has data for those.
    Choice(&'static str),
}

/// One query of a panel.
#[derive(Debug, Clone)]
pub struct Query {
    /// `PromQL`.
    pub expr: String,
    /// The name of each series, with labels as `{{label}}`.
    pub legend: &'static str,
    /// Whether exemplars are shown, each a dot that leads to a trace.
    pub exemplars: bool,
}

/// One panel.
#[derive(Debug, Clone)]
pub struct Panel {
    /// A question.
    pub title: &'static str,
    /// How to read the answer, and what to do about a bad one.
    pub description: &'static str,
    /// How it is shown.
    pub kind: Kind,
    /// Of all values.
    pub unit: Unit,
    /// Of 24 columns.
    pub width: u32,
    /// In Grafana's units of 38 pixels.
    pub height: u32,
    /// What is asked.
    pub queries: Vec<Query>,
    /// Below all thresholds.
    pub base: Colour,
    /// In rising order; none where no value is bad in itself.
    pub thresholds: Vec<Threshold>,
    /// The highest value there can be, where there is one.
    pub most: Option<f64>,
    /// Whether values below zero are shown.
    pub negative: bool,
    /// What figures mean in words.
    pub words: &'static [(i64, &'static str, Colour)],
    /// For a table: labels in order of their columns, with the heading of each; the value comes last, under the second text.
    pub columns: (&'static [(&'static str, &'static str)], &'static str),
    /// Where values lead.
    pub links: Vec<Link>,
    /// Set where a healthy shop has no data for it.
    pub quiet: Option<Quiet>,
}

impl Panel {
    fn new(kind: Kind, title: &'static str, unit: Unit, description: &'static str) -> Self {
        Self {
            title,
            description,
            kind,
            unit,
            width: 8,
            height: 8,
            queries: Vec::new(),
            base: Colour::Good,
            thresholds: Vec::new(),
            most: None,
            negative: false,
            words: &[],
            columns: (&[], ""),
            links: Vec::new(),
            quiet: None,
        }
    }

    /// Lines over time.
    pub(crate) fn lines(title: &'static str, unit: Unit, description: &'static str) -> Self {
        Self::new(Kind::TimeSeries, title, unit, description)
    }

    /// A distribution over time.
    pub(crate) fn heatmap(title: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Heatmap, title, Unit::Seconds, description)
    }

    /// A figure for each series.
    pub(crate) fn figures(title: &'static str, unit: Unit, description: &'static str) -> Self {
        Self {
            height: 5,
            ..Self::new(Kind::Stat, title, unit, description)
        }
    }

    /// A row for each series.
    pub(crate) fn table(
        title: &'static str,
        unit: Unit,
        columns: &'static [(&'static str, &'static str)],
        value: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            columns: (columns, value),
            ..Self::new(Kind::Table, title, unit, description)
        }
    }

    /// Asks `expr`, and calls each series of the answer `legend`.
    pub(crate) fn ask(mut self, expr: impl Into<String>, legend: &'static str) -> Self {
        self.queries.push(Query {
            expr: expr.into(),
            legend,
            exemplars: false,
        });
        self
    }

    /// Asks the same, and shows the exemplars of what is asked.
    pub(crate) fn ask_with_exemplars(self, expr: impl Into<String>, legend: &'static str) -> Self {
        let mut it = self.ask(expr, legend);
        it.queries.last_mut().expect("it was pushed").exemplars = true;
        it
    }

    /// Values above `limit` are bad.
    pub(crate) fn at_most(mut self, limit: f64) -> Self {
        self.thresholds.push(Threshold {
            from: limit,
            colour: Colour::Bad,
        });
        self
    }

    /// Values above `limit` are worth a look; call it before [`at_most`](Self::at_most).
    pub(crate) fn warn_above(mut self, limit: f64) -> Self {
        self.thresholds.push(Threshold {
            from: limit,
            colour: Colour::Warning,
        });
        self
    }

    /// Values below `limit` are bad.
    pub(crate) fn at_least(mut self, limit: f64) -> Self {
        self.base = Colour::Bad;
        self.thresholds.push(Threshold {
            from: limit,
            colour: Colour::Good,
        });
        self
    }

    /// Values that are good, and below `limit` nevertheless, are worth a look; call it after [`at_least`](Self::at_least).
    pub(crate) fn warn_below(mut self, limit: f64) -> Self {
        if let Some(last) = self.thresholds.last_mut() {
            last.colour = Colour::Warning;
        }
        self.thresholds.push(Threshold {
            from: limit,
            colour: Colour::Good,
        });
        self
    }

    /// There is no higher value.
    pub(crate) fn most(mut self, most: f64) -> Self {
        self.most = Some(most);
        self
    }

    /// Values below zero mean something.
    pub(crate) fn may_fall(mut self) -> Self {
        self.negative = true;
        self
    }

    /// What single values mean.
    pub(crate) fn words(mut self, words: &'static [(i64, &'static str, Colour)]) -> Self {
        self.words = words;
        self
    }

    /// Takes so many of the 24 columns.
    pub(crate) fn wide(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    /// Is so high.
    pub(crate) fn high(mut self, height: u32) -> Self {
        self.height = height;
        self
    }

    /// A click on a value leads there.
    pub(crate) fn to(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }

    /// Has no data, and says so, until a fault is put on a service.
    pub(crate) fn quiet_until(mut self, fault: &'static str, says: &'static str) -> Self {
        self.quiet = Some(Quiet {
            says,
            filled_by: Filler::Fault(fault),
        });
        self
    }

    /// Has data only where some of the services are chosen.
    pub(crate) fn only_for_some(mut self, services: &'static str, says: &'static str) -> Self {
        self.quiet = Some(Quiet {
            says,
            filled_by: Filler::Choice(services),
        });
        self
    }

    /// Has data only where the shop runs on `servers`, or where there is whatever else that names.
    pub(crate) fn only_with(mut self, servers: &'static str, says: &'static str) -> Self {
        self.quiet = Some(Quiet {
            says,
            filled_by: Filler::Servers(servers),
        });
        self
    }
}
