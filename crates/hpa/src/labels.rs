//! Selectors of labels, as a text (`app=search,tier in (front, back)`) and as the structure of the API.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::manifest::or_empty;

mod parse;

/// Labels of a pod.
pub type Labels = BTreeMap<String, String>;

/// Why a selector is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub(crate) String);

/// What labels must be like. All requirements must hold; without any, every pod is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl Selector {
    /// Reads a selector from the text in which a scale subresource gives it.
    ///
    /// ```
    /// let selector = hpa::Selector::parse("app=search, tier notin (cache, db)")?;
    /// let labels = [("app", "search"), ("tier", "front")];
    /// assert!(selector.matches(&labels.map(|(key, value)| (key.into(), value.into())).into()));
    /// # Ok::<(), hpa::SelectorError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::selector(text)
    }

    /// Whether these labels are selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|it| it.holds(labels))
    }
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = || value.is_some_and(|it| self.values.contains(it));
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => self.numbers(value).is_some_and(|(is, bound)| is > bound),
            Operator::LessThan => self.numbers(value).is_some_and(|(is, bound)| is < bound),
        }
    }

    fn numbers(&self, value: Option<&String>) -> Option<(i64, i64)> {
        let is = value?.parse().ok()?;
        let bound = self.values.first()?.parse().ok()?;
        Some((is, bound))
    }
}

/// A selector as the API writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LabelSelector {
    /// Labels that must have exactly these values.
    #[serde(
        deserialize_with = "or_empty",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub match_labels: Labels,
    /// Further requirements.
    #[serde(deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// One requirement of a [`LabelSelector`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelectorRequirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values of `In` and `NotIn`.
    #[serde(
        default,
        deserialize_with = "or_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub values: Vec<String>,
}

impl LabelSelector {
    /// The selector that this stands for.
    pub fn to_selector(&self) -> Result<Selector, SelectorError> {
        let labels = self
            .match_labels
            .iter()
            .map(|(key, value)| parse::requirement(key.clone(), Operator::In, vec![value.clone()]));
        let expressions = self.match_expressions.iter().map(|it| {
            let operator = match it.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => {
                    let error = format!("{other:?} is not a valid label selector operator");
                    return Err(SelectorError(error));
                }
            };
            parse::requirement(it.key.clone(), operator, it.values.clone())
        });
        let requirements = labels.chain(expressions).collect::<Result<_, _>>()?;
        Ok(Selector { requirements })
    }
}

impl fmt::Display for LabelSelector {
    /// As it stands in the controller's messages.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("&LabelSelector{MatchLabels:map[string]string{")?;
        for (key, value) in &self.match_labels {
            write!(out, "{key}: {value},")?;
        }
        out.write_str("},MatchExpressions:[]LabelSelectorRequirement{")?;
        for it in &self.match_expressions {
            write!(
                out,
                "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{}],}},",
                it.key,
                it.operator,
                it.values.join(" ")
            )?;
        }
        out.write_str("},}")
    }
}
