"""wxbind ties accounts to WeChat and sends notices to the people behind them."""

__version__ = "0.1.0"
