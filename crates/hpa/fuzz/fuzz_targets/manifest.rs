//! Any text is read or refused, and what is read is written so that it is read again.

#![no_main]

use hpa::{HorizontalPodAutoscaler, Quantity, Selector};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(autoscaler) = HorizontalPodAutoscaler::from_yaml(text) {
        let again = HorizontalPodAutoscaler::from_yaml(&autoscaler.to_yaml())
            .expect("what is written is read");
        assert_eq!(again, autoscaler);
    }
    if let Ok(quantity) = text.parse::<Quantity>() {
        assert_eq!(quantity.to_string().parse(), Ok(quantity));
    }
    let _ = Selector::parse(text);
});
