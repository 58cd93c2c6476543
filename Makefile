# make demo   everything from an empty machine to a trained, evaluated and reported sparse autoencoder
# make test   the unit and acceptance tests
# make build  the condense program, in .build/release

.PHONY: demo test build bootstrap

demo: build
	.build/release/condense demo

test: bootstrap
	Tools/test

build: bootstrap
	swift build -c release

bootstrap:
	@Tools/bootstrap
