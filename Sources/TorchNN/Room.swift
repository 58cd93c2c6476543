enum TorchNNRoom {}
