//! Reading a selector from a text.

use super::{Operator, Requirement, Selector, SelectorError};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Symbol(&'static str),
    End,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(text) => text,
            Self::Symbol(text) => text,
            Self::End => "",
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

/// A whole selector.
pub(super) fn selector(text: &str) -> Result<Selector, SelectorError> {
    let mut parser = Parser {
        tokens: tokens(text),
        at: 0,
    };
    let mut requirements = Vec::new();
    loop {
        match parser.peek() {
            Token::End => break,
            Token::Word(_) | Token::Symbol("!") => {
                let requirement = parser.requirement().map_err(|SelectorError(error)| {
                    SelectorError(format!("unable to parse requirement: {error}"))
                })?;
                requirements.push(requirement);
            }
            other @ Token::Symbol(_) => {
                return unexpected(&other, "expected: !, identifier, or 'end of string'");
            }
        }
        match parser.next() {
            Token::End => break,
            Token::Symbol(",") => match parser.peek() {
                Token::Word(_) | Token::Symbol("!") => {}
                other => return unexpected(&other, "expected: identifier after ','"),
            },
            other => return unexpected(&other, "expected: ',' or 'end of string'"),
        }
    }
    Ok(Selector { requirements })
}

/// A requirement, if its key and values are those of labels.
pub(super) fn requirement(
    key: String,
    operator: Operator,
    values: Vec<String>,
) -> Result<Requirement, SelectorError> {
    if !is_key(&key) {
        return refuse(format!(
            "key: Invalid value: {key:?}: must be a qualified name"
        ));
    }
    let numbers = || values.iter().all(|it| it.parse::<i64>().is_ok());
    match operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            return refuse("values: for 'in', 'notin' operators, values set can't be empty");
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            return refuse("values: values set must be empty for exists and does not exist");
        }
        Operator::GreaterThan | Operator::LessThan if !numbers() => {
            return refuse("values: for 'Gt', 'Lt' operators, the value must be an integer");
        }
        _ => {}
    }
    if let Some(value) = values.iter().find(|it| !is_value(it)) {
        return refuse(format!(
            "values[{key}]: Invalid value: {value:?}: a valid label must be an empty string or consist of alphanumeric characters, \
             '-', '_' or '.', and must start and end with an alphanumeric character"
        ));
    }
    Ok(Requirement {
        key,
        operator,
        values,
    })
}

impl Parser {
    fn peek(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let negated = self.peek() == Token::Symbol("!");
        if negated {
            self.at += 1;
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return unexpected(&other, "expected: identifier"),
        };
        if negated {
            return requirement(key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return requirement(key, Operator::Exists, Vec::new());
        }
        let operator = self.next();
        let (operator, values) = match operator.text() {
            "in" => (Operator::In, self.list()?),
            "notin" => (Operator::NotIn, self.list()?),
            "=" | "==" => (Operator::In, self.one()?),
            "!=" => (Operator::NotIn, self.one()?),
            ">" => (Operator::GreaterThan, self.one()?),
            "<" => (Operator::LessThan, self.one()?),
            _ => return unexpected(&operator, "expected: in, notin, =, ==, !=, gt, lt"),
        };
        requirement(key, operator, values)
    }

    /// The value after `=`, which may be missing: then it is empty.
    fn one(&mut self) -> Result<Vec<String>, SelectorError> {
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(vec![String::new()]);
        }
        match self.next() {
            Token::Word(value) => Ok(vec![value]),
            other => unexpected(&other, "expected: identifier"),
        }
    }

    /// The values in parentheses; between two commas stands an empty one.
    fn list(&mut self) -> Result<Vec<String>, SelectorError> {
        let open = self.next();
        if open != Token::Symbol("(") {
            return refuse(format!("found '{}' expected: '('", open.text()));
        }
        let mut values = Vec::new();
        loop {
            let value = match self.peek() {
                Token::Word(value) => {
                    self.at += 1;
                    value
                }
                Token::Symbol("," | ")") => String::new(),
                other => return unexpected(&other, "expected: ',', ')' or identifier"),
            };
            values.push(value);
            match self.next() {
                Token::Symbol(",") => {}
                Token::Symbol(")") => break,
                other => return unexpected(&other, "expected: ',' or ')'"),
            }
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }
}

fn tokens(text: &str) -> Vec<Token> {
    const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];
    let special = |it: char| it.is_ascii_whitespace() || "=!(),><".contains(it);
    let mut tokens = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let symbol = SYMBOLS.iter().find(|it| rest.starts_with(**it));
        let length = match symbol {
            Some(symbol) => symbol.len(),
            None => rest.find(special).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(match symbol {
            Some(symbol) => Token::Symbol(symbol),
            None => Token::Word(token.to_owned()),
        });
        rest = after.trim_ascii_start();
    }
    tokens
}

fn unexpected<T>(found: &Token, expected: &str) -> Result<T, SelectorError> {
    refuse(format!("found '{}', {expected}", found.text()))
}

fn refuse<T>(error: impl Into<String>) -> Result<T, SelectorError> {
    Err(SelectorError(error.into()))
}

/// `[prefix/]name`: the prefix a DNS name, the name like a value but not empty.
fn is_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        let plain = |it: &u8| it.is_ascii_lowercase() || it.is_ascii_digit();
        bytes.first().is_some_and(plain)
            && bytes.last().is_some_and(plain)
            && bytes.iter().all(|it| plain(it) || *it == b'-')
    };
    let is_prefix = |it: &str| it.len() <= 253 && it.split('.').all(is_part);
    !name.is_empty() && is_value(name) && prefix.is_none_or(is_prefix)
}

/// At most 63 letters, digits, `-`, `_` and `.`, of which the first and the last are letters or digits; or nothing.
fn is_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    value.len() <= 63
        && ends.into_iter().flatten().all(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(it))
}
