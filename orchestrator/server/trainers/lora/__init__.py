"""The lora trainer: fine-tunes open-weights models on this machine.

`trainer.py` is ftorch's side and never imports torch. `training/` is the program that trains, in the trainer's
Python. The two know each other only through the training's folder, see `folder.py`. `serving/` answers with the
models.
"""
