"""From a training example and a model's chat template to tokens, with the tokens that are learned marked."""
