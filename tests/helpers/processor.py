"""What the processor of the machine that tests can do."""

import torch

# oneDNN has no LSTM, and no kernel of packed weights, in bf16 on processors with AVX2 alone.
COMPUTES_BF16 = "AVX512" in torch.backends.cpu.get_cpu_capability()
