"""What is known of vendors and models before anybody configures them: data with sources, read once."""
