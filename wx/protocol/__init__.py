"""Floor 1: WeChat's formats as pure functions. No I/O, no clock."""
