//! Prints a message of any kind, item by item, as text and as JSON.

use serde_json::{Map, Value};

use nss_cmc::inspect::Item;

/// Returns a message as JSON.
pub fn message_json(message: &Item) -> Value {
    match message {
        Item::Null => Value::Null,
        Item::Flag(flag) => Value::Bool(*flag),
        Item::Text(text) => Value::String(text.clone()),
        Item::List(items) => Value::Array(items.iter().map(message_json).collect()),
        Item::Fields(fields) => {
            let fields = fields.iter().map(|(name, item)| ((*name).to_owned(), message_json(item)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Item::Short(_, parts) => message_json(parts),
    }
}

/// Returns a message as lines of text: one item a line, indented by its depth; each element of a
/// list starts with a dash. Absent items have no line.
pub fn message_lines(message: &Item) -> Vec<String> {
    let mut lines = Vec::new();
    parts(message, 0, &mut lines);
    lines
}

fn parts(item: &Item, indent: usize, lines: &mut Vec<String>) {
    match item {
        Item::Fields(fields) => {
            for (name, item) in fields {
                part(&format!("{}: ", name.replace('_', " ")), item, indent, lines);
            }
        }
        Item::List(items) => {
            for item in items {
                let at = lines.len();
                parts(item, indent + 2, lines);
                // The dash belongs to the first line of the element.
                if let Some(first) = lines.get_mut(at) {
                    let text = first.trim_start().to_owned();
                    *first = format!("{:indent$}- {text}", "");
                }
            }
        }
        other => part("", other, indent, lines),
    }
}

fn part(label: &str, item: &Item, indent: usize, lines: &mut Vec<String>) {
    let text = match item {
        Item::Null => return,
        Item::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Item::Text(text) | Item::Short(text, _) => text.clone(),
        Item::List(items) if items.is_empty() => "none".to_owned(),
        Item::List(items) if items.iter().all(|i| matches!(i, Item::Text(_))) => {
            let texts = items.iter().filter_map(|i| match i {
                Item::Text(text) => Some(text.as_str()),
                _ => None,
            });
            texts.collect::<Vec<_>>().join(", ")
        }
        nested => {
            lines.push(format!("{:indent$}{}", "", label.trim_end()));
            return parts(nested, indent + 2, lines);
        }
    };
    lines.push(format!("{:indent$}{label}{text}", ""));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_dashes_and_what_is_missing_is_left_out() {
        let text = |t: &str| Item::Text(t.to_owned());
        let inner = Item::Fields(vec![("body_part_id", text("1")), ("none", Item::Null)]);
        let message = Item::Fields(vec![
            ("kind", text("request")),
            ("controls", Item::List(vec![inner.clone(), inner])),
            ("names", Item::List(vec![text("a"), text("b")])),
            ("requests", Item::List(vec![])),
            ("critical", Item::Flag(false)),
        ]);
        assert_eq!(
            message_lines(&message),
            [
                "kind: request",
                "controls:",
                "  - body part id: 1",
                "  - body part id: 1",
                "names: a, b",
                "requests: none",
                "critical: no"
            ]
        );
    }
}
