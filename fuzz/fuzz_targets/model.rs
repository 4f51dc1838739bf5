//! `model.soup`: a file that is taken must also be planned, run and written without a panic.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use soup_devices::DeviceName;
use soup_engine::Device;
use soup_decide::Decision;
use soup_model::{Model, Session};

static DEVICE: LazyLock<Device> = LazyLock::new(|| DeviceName::Auto.with_threads(1));
/// A file may ask for any amount of work; what is run here must leave time for other files.
const VALUES: usize = 1 << 18;

fuzz_target!(|bytes: &[u8]| {
    let path = soup_fuzz::file("model.soup", bytes);
    let Ok(model) = Model::read(&path) else {
        return;
    };
    model.to_bytes().expect("what was read can be written");
    let values = model.members.iter().flat_map(|member| member.graph.nodes());
    let values = values.fold(model.image.len(), |sum, node| {
        sum.saturating_add(node.shape.len())
    });
    if values > VALUES {
        return;
    }
    if let Ok(mut session) = Session::new(&model, model.image, &DEVICE) {
        let pixels = vec![128; model.image.len()];
        // Wild weights may answer what is no number, which is an error.
        let Ok(mut answers) = session.run(&model, &pixels) else {
            return;
        };
        assert!(answers.iter().all(|value| value.is_finite()));
        assert_eq!(answers.len(), model.label_names.len());
        let decision = model.decision.clone();
        let decision = decision.map(|value| Decision::from_json(value, &path));
        if let Some(Ok(decision)) = decision
            && decision.labels().len() == answers.len()
        {
            let _ = decision.decide(&mut answers);
        }
    }
});
