//! What comes in as a JSON object, and as nothing else.

/// Implements `Serialize` and `Deserialize` for structs that derive them with `#[serde(remote = "Self")]`. What is derived alone also
/// takes an array of the values of the fields in their order, which nothing documents.
macro_rules! objects {
    ($($name:ident),+) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Object;

                impl<'de> serde::de::Visitor<'de> for Object {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<$name, A::Error> {
                        $name::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    }
                }

                deserializer.deserialize_map(Object)
            }
        }
    )+};
}
pub(crate) use objects;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Credentials, NewOrder, NewProduct, ProductChange};

    #[test]
    fn an_array_of_values_is_no_object() {
        let item = json!({"product_id": "p-000001", "quantity": 1});
        let order = |item| json!({"items": [item], "card_number": "4242424242424242"});
        let read = serde_json::from_value::<NewOrder>(order(item)).unwrap();
        assert_eq!(
            serde_json::to_value(&read).unwrap()["items"][0]["quantity"],
            1
        );
        let refused = |it: Result<(), serde_json::Error>| it.unwrap_err().to_string();
        let said =
            refused(serde_json::from_value::<NewOrder>(order(json!(["p-000001", 1]))).map(drop));
        assert_eq!(said, "invalid type: sequence, expected an object");
        let whole = json!([[], "4242424242424242"]);
        refused(serde_json::from_value::<NewOrder>(whole).map(drop));
        refused(serde_json::from_value::<NewProduct>(json!(["Mug", "", "kitchen", 1])).map(drop));
        refused(serde_json::from_value::<ProductChange>(json!(["Mug", null, null, 1])).map(drop));
        let credentials = json!(["ada@shop.example", "correct horse battery"]);
        refused(serde_json::from_value::<Credentials>(credentials).map(drop));
    }
}
