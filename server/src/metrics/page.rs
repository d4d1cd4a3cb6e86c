use std::fmt::{Display, Write};

/// A page of samples, each family under its help and type.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
}

impl Page {
    pub(super) fn gauge(&mut self, name: &str, help: &str) {
        self.family(name, "gauge", help);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str) {
        self.family(name, "counter", help);
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str) {
        self.family(name, "histogram", help);
    }

    /// A sample without a label, of a family that was begun.
    pub(super) fn sample(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name} {value}"));
    }

    pub(super) fn one_gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.gauge(name, help);
        self.line(format_args!("{name} {value}"));
    }

    pub(super) fn one_counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.counter(name, help);
        self.line(format_args!("{name} {value}"));
    }

    /// Label values are ours and need no escaping.
    pub(super) fn labelled(
        &mut self,
        name: &str,
        label: &str,
        is: impl Display,
        value: impl Display,
    ) {
        self.line(format_args!("{name}{{{label}=\"{is}\"}} {value}"));
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // `write!` into a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_explained_before_its_samples() {
        let mut page = Page::default();
        page.one_counter("x_total", "What x is.", 7);
        assert_eq!(page.text, "# HELP x_total What x is.\n# TYPE x_total counter\nx_total 7\n");
    }
}
