"""What frozen towers give, made once: views of images, their features, texts and hidden states, and the cache."""
