enum TorchRoom {}
