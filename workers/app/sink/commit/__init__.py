"""What has finished is committed: its receipts first, then its offsets."""
