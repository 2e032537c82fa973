"""What running workers say of themselves, over HTTP: the only thing that a command learns elsewhere than from Kafka."""
