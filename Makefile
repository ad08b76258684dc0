# Each target is one command; tools/bootstrap.py makes what it needs first. STACK=dev|engines|prod|edge, MODEL=name, PURGE=1.
# Of a fleet (STACK=edge): HOSTS=site=berlin,oslo-1 chooses hosts, STACK=edge.berlin-1 is one of them, FORCE=1 gives up one.
STACK ?= dev
SET_UP := python3 tools/bootstrap.py
OPS := python -m ops
TEST_FAST := python -m pytest -m "(unit or program) and not alone" -n logical --maxprocesses 4 --dist worksteal tests/unit tests/program
TEST_SLOW := python -m pytest -m "not (unit or program or alone)" -n 3 --dist loadscope --no-loadscope-reorder
TEST_ALONE := python -m pytest -m alone tests/docker tests/program
# These stacks run on this machine's own Docker engine.
ENGINE := $(if $(filter dev engines engines-gemma,$(STACK)),--engine)
# A fleet's hosts get the images that are built here from this machine's engine.
FLEET := $(shell grep -qs '^  slm:fleet:' Pulumi.$(firstword $(subst ., ,$(STACK))).yaml && echo --engine --fleet)
# A review stack runs on this machine's own Docker engine unless its base names a cluster.
REVIEW_ENGINE := $(shell grep -qs 'kind: kubernetes' Pulumi.$(or $(FROM),dev).yaml || echo --engine)
# What a caller may give as one of these reaches the commands through the environment, and no shell reads it; so does
# every other variable of make's command line, as CONFIRM and NO_BACKUP, and one that nobody gave is not there.
export HOSTS BASE PRICE_PER_HOUR ALLOW_UNKNOWN OWNER OPEN KEEP FORGET TITLE
.DEFAULT_GOAL := help
.PHONY: help setup doctor up preview smoke down status report alert-test drift fleet-ca check policies readiness outdated release-check key secret rotate-key webui-password rotate-webui-key backup restore state-backup state-restore recover import bundle bundle-key load drill backup-webui restore-webui pin schema env rehearse test test-fast test-edge bench bench-deploy lint format bench-edge report-pr review review-down sweep comment issue open-prs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: ## install everything that `make up` needs, and say what
	@$(SET_UP) -- python -m tools setup

doctor: ## what is there, what is missing, how it will be got, what this machine can run
	@$(SET_UP) -- python -m tools doctor

up: ## deploy STACK and ask its model a question (MODEL=name serves another one; PLAN=path: no more than that preview showed)
	@$(SET_UP) --tools $(ENGINE) $(FLEET) -- $(OPS) up --stack $(STACK) $(if $(MODEL),--model $(MODEL)) $(if $(PLAN),--plan "$(PLAN)")

preview: ## show what `make up` would change (PLAN=path: save it for `make up PLAN=path`)
	@$(SET_UP) --tools -- $(OPS) preview --stack $(STACK) $(if $(PLAN),--plan "$(PLAN)")

smoke: ## ask every model of the running stack, run its code, call its tools; check the containers
	@$(SET_UP) --tools -- $(OPS) smoke --stack $(STACK)

down: ## remove everything but the weights (PURGE=1: everything); of production CONFIRM=name, NO_BACKUP="why"
	@$(SET_UP) --tools -- $(OPS) down --stack $(STACK) $(if $(PURGE),--purge) $(if $(FORCE),--force)

review: ## bring up and smoke-test the review stack of a pull request (PR=12 OWNER=name HOURS=48 FROM=dev FILE=path)
	@$(SET_UP) --tools $(REVIEW_ENGINE) -- $(OPS) review --pr "$(PR)" $(if $(HOURS),--hours $(HOURS)) $(if $(FROM),--base $(FROM)) $(if $(FILE),--file "$(FILE)")

review-down: ## remove the review stack of a pull request, with its state (PR=12 FILE=path)
	@$(SET_UP) --tools -- $(OPS) review-down --pr "$(PR)" $(if $(FILE),--file "$(FILE)")

sweep: ## which review stacks are over (OPEN=12,15 or a file, KEEP=pr-7); APPLY=1 removes them (FORGET=pr-9: its host is gone)
	@$(SET_UP) --tools -- $(OPS) sweep $(if $(APPLY),--apply) $(if $(FILE),--file "$(FILE)")

comment: ## in a workflow: write FILE as the comment of pull request PR, in place of the last one
	@$(SET_UP) -- $(OPS) comment --pr "$(PR)" --file "$(FILE)"

issue: ## in a workflow: write FILE as an issue (TITLE=…), in place of the open one about the same
	@$(SET_UP) -- $(OPS) issue --file "$(FILE)"

open-prs: ## in a workflow: write the open pull requests into FILE, for `make sweep OPEN=FILE`
	@$(SET_UP) -- $(OPS) open-prs --file "$(FILE)"

drift: ## what differs from the description where STACK runs, changes by hand included (FILE=path: exit code 1 when anything)
	@$(SET_UP) --tools -- $(OPS) drift --stack $(STACK) $(if $(FILE),--file "$(FILE)")

fleet-ca: ## print the certificate of a fleet's own authority, which its clients trust
	@$(SET_UP) -- $(OPS) fleet-ca --stack $(STACK)

status: ## how the running stack, or each host of a fleet, is (WATCH=1: live); exit code 1 when something is broken
	@$(SET_UP) -- $(OPS) status --stack $(STACK) $(if $(WATCH),--watch)

report: ## one HTML page about the last day, with plots (HOURS=24, FILE=path)
	@$(SET_UP) -- $(OPS) report --stack $(STACK) $(if $(HOURS),--hours $(HOURS)) $(if $(FILE),--file $(FILE))

report-pr: ## what this checkout changes over BASE=git ref, as one Markdown comment (FILE=path, PREVIEW=json, STATIC=1, FAIL_ON_RISK=1)
	@$(SET_UP) $(if $(STATIC),,--tools) -- $(OPS) report-pr --stack $(STACK) $(if $(FILE),--file "$(FILE)") $(if $(PREVIEW),--preview "$(PREVIEW)") $(if $(STATIC),--static) $(if $(FAIL_ON_RISK),--fail-on-risk)

alert-test: ## send one alert to the stack's receivers (SEVERITY=critical) and wait until they have taken it
	@$(SET_UP) -- $(OPS) alert-test --stack $(STACK) $(if $(SEVERITY),--severity $(SEVERITY))

check: ## validate STACK's settings and print them; needs neither Docker nor a cloud
	@$(SET_UP) -- $(OPS) check --stack $(STACK)

policies: ## judge by the policies what `make up` would make: a table of violations (JSON=1)
	@$(SET_UP) --tools -- $(OPS) policies --stack $(STACK) $(if $(JSON),--json)

readiness: ## run the checklist of production (JSON=1, STATIC=1: nothing that runs is asked, ALLOW_UNKNOWN=1)
	@$(SET_UP) --tools -- $(OPS) readiness --stack $(STACK) $(if $(JSON),--json) $(if $(STATIC),--static)

outdated: ## newer versions of engines, tools, images and packages, as far as their places answer (ALL=1)
	@$(SET_UP) -- $(OPS) outdated $(if $(ALL),--all)

release-check: ## whether this checkout can be released: version, changelog, pins; writes the bill of materials
	@$(SET_UP) -- $(OPS) release-check

key: ## show the current API key, on a terminal only
	@$(SET_UP) --tools -- $(OPS) key --stack $(STACK)

secret: ## keep a secret that STACK's file names (NAME=...), asked for or from a pipe
	@$(SET_UP) --tools -- $(OPS) secret $(NAME) --stack $(STACK)

rotate-key: ## add an API key, switch to it, retire the old one
	@$(SET_UP) --tools -- $(OPS) rotate-key --stack $(STACK)

webui-password: ## show the web page's first password, on a terminal only
	@$(SET_UP) --tools -- $(OPS) webui-password --stack $(STACK)

rotate-webui-key: ## give the web page another API key
	@$(SET_UP) --tools -- $(OPS) rotate-webui-key --stack $(STACK)

backup: ## save figures, logs, silences, accounts and chats in one file (FILE=path)
	@$(SET_UP) --tools -- $(OPS) backup --stack $(STACK) $(if $(FILE),--file $(FILE))

restore: ## put a backup in place; what is there is saved first (FILE=path; the newest without it)
	@$(SET_UP) --tools -- $(OPS) restore --stack $(STACK) $(if $(FILE),--file $(FILE))

recover: ## explain and mend what a killed run or a hand left behind (APPLY=1: also what may lose something)
	@$(SET_UP) --tools -- $(OPS) recover --stack $(STACK) $(if $(APPLY),--apply)

import: ## propose which resources of STACK take over what exists already (ID=id,NAME=id or FILE=path); changes nothing
	@$(SET_UP) --tools -- $(OPS) import --stack $(STACK) $(if $(ID),--id "$(ID)") $(if $(FILE),--file $(FILE))

state-backup: ## save a copy of what Pulumi knows of STACK, checked, secrets encrypted (FILE=path)
	@$(SET_UP) --tools -- $(OPS) state-backup --stack $(STACK) $(if $(FILE),--file $(FILE))

state-restore: ## put a copy of the state back; what is there is saved first (FILE=path; the newest without it)
	@$(SET_UP) --tools -- $(OPS) state-restore --stack $(STACK) $(if $(FILE),--file $(FILE))

drill: ## cause faults in the running STACK and see which alert each raises (ONLY=kill,freeze)
	@$(SET_UP) --tools -- $(OPS) drill --stack $(STACK) $(if $(ONLY),--only $(ONLY))

backup-webui: ## save the web page's accounts and chats (FILE=path)
	@$(SET_UP) --tools -- $(OPS) backup-webui --stack $(STACK) $(if $(FILE),--file $(FILE))

restore-webui: ## put a backup of the web page in place (FILE=path; the newest without it)
	@$(SET_UP) --tools -- $(OPS) restore-webui --stack $(STACK) $(if $(FILE),--file $(FILE))

bundle-key: ## make the key that bundles are signed with, and show its public half
	@$(SET_UP) -- $(OPS) bundle-key

bundle: ## write all that STACK takes into one signed archive, for machines without a network (HOSTS=…, FILE=path, KEY=path, PYTHONS=3.11)
	@$(SET_UP) --tools --engine $(FLEET) -- $(OPS) bundle --stack $(STACK) $(if $(FILE),--file $(FILE)) $(if $(KEY),--key $(KEY)) $(if $(PYTHONS),--pythons $(PYTHONS))

load: ## verify a bundle and put it in place, without a network (FILE=path, KEY=public key, INTO=folder, ALLOW_OLDER="why")
	@python3 -m tools.load "$(FILE)" $(if $(KEY),--key "$(KEY)") $(if $(INTO),--into "$(INTO)") $(if $(ALLOW_OLDER),--allow-older "$(ALLOW_OLDER)")

pin: ## look up missing digests and commits, and write them down
	@$(SET_UP) -- $(OPS) pin --stack $(STACK)

schema: ## export the JSON Schema of the stack files
	@$(SET_UP) -- $(OPS) schema

env: ## print shell exports for plain `pulumi`: eval "$(make -s env)"
	@$(SET_UP) -- $(OPS) env --stack $(STACK)

rehearse: ## play STACK's whole life on this machine: AKS simulated, Kubernetes real (SHORT=1: the cut of the tests)
	@$(SET_UP) --tools --rehearsal -- python -m rehearsal --stack $(STACK) $(if $(SHORT),--short)

test: ## every test, with a real Docker engine and a real Kubernetes control plane
	@# No failure hides what the rest says. Of the three processes of the second one has the real models (tests/lanes.py);
	@# what measures seconds or memory has the machine for itself.
	@fast=0; slow=0; $(SET_UP) -- $(TEST_FAST) || fast=$$?; \
	$(SET_UP) --tools --engine --rehearsal --node --monitoring --edge -- $(TEST_SLOW) || slow=$$?; \
	$(SET_UP) --tools --engine -- $(TEST_ALONE) && exit $$((fast + slow))

test-fast: ## the tests that need neither Docker nor Pulumi's command line
	@$(SET_UP) -- $(TEST_FAST)

bench: ## measure the engines of a running stack side by side (QUICK=1: see that it works; PRICE_PER_HOUR=…)
	@$(SET_UP) --tools $(ENGINE) -- python -m bench.engines --stack $(STACK) $(if $(QUICK),--quick)

bench-deploy: ## measure set-up, deployment and gateway
	@$(SET_UP) --tools --engine -- python -m bench.deploy --stack $(STACK)

bench-edge: ## measure a fleet of three hosts on this machine: previews, bytes over the wire (takes root on Linux)
	@$(SET_UP) --tools --engine --edge -- python -m bench.edge

test-edge: ## a fleet of three hosts on this machine: links that fail, power cuts, full disks (takes root on Linux)
	@$(SET_UP) --tools --engine --edge -- python -m pytest -m edge tests/edge

lint: ## what CI checks before the tests
	@$(SET_UP) -- sh -c 'ruff check . && ruff format --check . && mypy'

format: ## format and mend what can be mended
	@$(SET_UP) -- sh -c 'ruff format . && ruff check --fix .'
