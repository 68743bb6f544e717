//! What extractors say of a body that they cannot read, without what was in it: it may be a card number or a password.

/// What serde says before it shows a value.
const BEFORE_VALUES: [&str; 2] = ["invalid type: ", "invalid value: "];

/// `text` without the values that it shows. What kind of value it was stays.
pub(crate) fn without_values(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(end) = BEFORE_VALUES
        .iter()
        .filter_map(|it| Some(rest.find(it)? + it.len()))
        .min()
    {
        kept += &rest[..end];
        rest = &rest[end..];
        // Kinds are words, such as "floating point"; values are in quotes of some sort.
        let kind = rest.find(['`', '"', ',']).unwrap_or(rest.len());
        kept += rest[..kind].trim_end();
        rest = after_value(&rest[kind..]);
    }
    kept + rest
}

/// What comes after the value that `text` begins with.
fn after_value(text: &str) -> &str {
    let mut characters = text.char_indices();
    let Some((_, quote @ ('"' | '`'))) = characters.next() else {
        return text;
    };
    while let Some((position, it)) = characters.next() {
        match it {
            // As `Debug` writes what would end a text.
            '\\' if quote == '"' => _ = characters.next(),
            it if it == quote => return &text[position + 1..],
            _ => (),
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only errors are wanted")]
    struct Body {
        text: String,
        number: i64,
        list: Vec<i64>,
    }

    #[test]
    fn no_value_is_shown_and_the_rest_of_the_explanation_is() {
        let secret = "4242424242424242";
        for (value, kind) in [
            (secret, "integer"),
            (&format!("-{secret}"), "integer"),
            (&format!("{secret}0000000000000000"), "floating point"),
            ("42424242.42424242", "floating point"),
            ("true", "boolean"),
            ("null", "null"),
            ("[4242424242424242]", "sequence"),
            (r#"{"4242424242424242": 1}"#, "map"),
        ] {
            let body = format!(r#"{{"text": {value}}}"#);
            let said = serde_json::from_str::<Body>(&body).err().unwrap();
            let told = without_values(&said.to_string());
            assert!(
                told.contains(kind) && told.contains("expected a string"),
                "{told}"
            );
            assert!(!told.contains("4242") && !told.contains("true"), "{told}");
        }
        for value in [
            secret,
            r#"a", expected "4242"#,
            "`4242`",
            r"4242\",
            "ü4242\n",
        ] {
            for field in ["number", "list"] {
                let body = serde_json::json!({ field: value }).to_string();
                let said = serde_json::from_str::<Body>(&body).err().unwrap();
                let told = without_values(&said.to_string());
                assert!(told.contains("string, expected"), "{told}");
                assert!(!told.contains("4242"), "{told}");
            }
        }
    }

    #[test]
    fn what_shows_no_value_stays_as_it_is() {
        for text in [
            "",
            "missing field `items` at line 1 column 2",
            "unknown field `colour`, expected `q` or `limit`",
            "EOF while parsing a value at line 1 column 10",
            "a product id is `p-` and 6 to 32 lower-case letters or digits",
        ] {
            assert_eq!(without_values(text), text);
        }
    }
}
