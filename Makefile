# `make help` lists what there is to do.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: build
build: ## compile the extensions in place
	$(BIN)/python setup.py --quiet build_ext --inplace
