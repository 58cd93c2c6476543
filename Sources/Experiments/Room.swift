enum ExperimentsRoom {}
