"""The torch modules: CNN, LSTM, BERT encoders, word masks and heads."""
