//! Opens the port of a Pod through the API server, and says whether something answers there.

use kreg_stream::PodStreams;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let streams = PodStreams::new(kube::Config::infer().await?)?;
    drop(streams.forward("default", "web-0", 80).await?);
    println!("port 80 of web-0 in default is open");
    Ok(())
}
