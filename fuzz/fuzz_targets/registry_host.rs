//! What is read as a registry's name is written the same, and clients take it for a registry.

#![no_main]

use kreg_auth::{RegistryHost, key_matches_image};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(host) = text.parse::<RegistryHost>() {
        assert_eq!(host.to_string().parse::<RegistryHost>().expect("own output is read"), host);
        let image = format!("{host}/team/app:v1");
        assert_eq!(RegistryHost::of_image(&image).expect("a registry"), host);
        assert_eq!(RegistryHost::new(host.name(), host.port()).expect("parts").port(), host.port());
        // The kubelet cannot match an IPv6 address without a port, and takes the one for
        // `docker.io`; all else it finds.
        let bare_v6 = host.name().contains(':') && host.written_port().is_none();
        let hub = host.to_string() == "index.docker.io";
        assert_eq!(key_matches_image(&host.to_string(), &image), !bare_v6 && !hub);
    }
    let _ = RegistryHost::of_image(text);
    let (key, image) = text.split_once(' ').unwrap_or((text, text));
    let _ = key_matches_image(key, image);
});
