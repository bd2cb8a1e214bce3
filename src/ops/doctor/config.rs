//! Where settings come from.

use super::{Area, Finding};

/// What is known of the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFacts {
    /// What is wrong with them: where, which setting, and what.
    pub error: Option<String>,
    /// Where those come from that are not defaults, and how many from each.
    pub origins: Vec<(String, usize)>,
    /// Environment variables that begin as ours do and set nothing.
    pub unknown_variables: Vec<String>,
}

pub(super) fn judge(facts: &ConfigFacts) -> Vec<Finding> {
    if let Some(error) = &facts.error {
        let advice = "correct it there; `ecom config template` shows all settings";
        return vec![Finding::fail(Area::Config, "settings", error, advice)];
    }
    let each = |(origin, count): &(String, usize)| format!("{count} from {origin}");
    let found = match facts.origins.as_slice() {
        [] => "all defaults".to_owned(),
        origins => origins.iter().map(each).collect::<Vec<_>>().join(", "),
    };
    let mut findings = vec![Finding::ok(Area::Config, "settings", found)];
    if !facts.unknown_variables.is_empty() {
        let found = format!("{} set nothing", facts.unknown_variables.join(", "));
        let advice = "correct or unset them; `ecom config show` lists all settings";
        findings.push(Finding::warn(Area::Config, "variables", found, advice));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn settings_are_fine_wherever_they_come_from_unless_they_are_wrong_or_set_nothing() {
        let check = |facts: ConfigFacts, expected: &[(Status, &str)]| {
            let found = judge(&facts);
            let told: Vec<_> = found.iter().map(|f| (f.status, f.found.as_str())).collect();
            assert_eq!(told, expected);
        };
        check(ConfigFacts::default(), &[(Status::Ok, "all defaults")]);
        let origins = vec![("/etc/ecom/config.toml".to_owned(), 2), ("$ECOM_DATA_DIR".into(), 1)];
        let two = (Status::Ok, "2 from /etc/ecom/config.toml, 1 from $ECOM_DATA_DIR");
        check(ConfigFacts { origins: origins.clone(), ..ConfigFacts::default() }, &[two]);
        let unknown_variables = vec!["ECOM_COLOUR".to_owned()];
        let unknown = (Status::Warn, "ECOM_COLOUR set nothing");
        check(ConfigFacts { origins, unknown_variables, error: None }, &[two, unknown]);
        let error = Some("x.toml: serve.prot: no such setting".to_owned());
        let wrong = (Status::Fail, "x.toml: serve.prot: no such setting");
        check(ConfigFacts { error, ..ConfigFacts::default() }, &[wrong]);
    }
}
