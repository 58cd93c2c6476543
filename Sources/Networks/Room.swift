enum NetworksRoom {}
