//! `bench`: the figures are there and hang together.

use crate::place::Place;

#[test]
fn a_profile_adds_up_to_the_work_of_the_network() {
    let place = Place::new("bench");
    for work in ["", "--infer"] {
        let facts = place.json(&format!(
            "bench soup_nano --head label_map --size 40 --channels 1 --batch 3 --repeats 2 --threads 1 --profile {work}"
        ));
        let seconds = |key: &str| facts[key].as_f64().unwrap();
        assert!(seconds("fastest_seconds") <= seconds("median_seconds"));
        assert!((seconds("images_per_second") * seconds("fastest_seconds") - 3.0).abs() < 1e-6);
        let profile = &facts["profile"];
        assert!(profile["peak_gigaflops"].as_f64().unwrap() > 0.1);
        let kernels = profile["kernels"].as_array().unwrap();
        // What the kernels multiplied is what the network's definition says, but for the gradient of the
        // images, which nobody asks for.
        let of_kernels: f64 = kernels
            .iter()
            .map(|kernel| {
                let gigaflops = kernel["gigaflops"].as_f64().unwrap();
                let gigabytes = kernel["gigabytes_per_second"].as_f64().unwrap();
                assert!(gigaflops == 0.0 || gigabytes > 0.0, "{kernel}");
                gigaflops * kernel["seconds"].as_f64().unwrap()
            })
            .sum();
        let of_network = seconds("gigaflops") * seconds("fastest_seconds");
        let share = of_kernels / of_network;
        assert!((0.8..1.001).contains(&share), "{work} {share}");
    }
}

#[test]
fn nonsense_is_refused() {
    let place = Place::new("bench_bad");
    let cases = [
        (2, "bench"),
        (2, "bench efficientnet_bo"),
        (2, "bench soup_nano --head linaer"),
        (2, "bench soup_nano --size 0"),
        (2, "bench soup_nano --batch 0"),
        (2, "bench soup_nano --precision f16"),
        (2, "bench soup_nano --profile=all"),
    ];
    let mut table = String::new();
    for (code, arguments) in cases {
        table.push_str(&format!(
            "$ soup {arguments}\n[{code}] {}\n",
            place.failure(code, arguments)
        ));
    }
    insta::assert_snapshot!("bench_bad", table);
}
