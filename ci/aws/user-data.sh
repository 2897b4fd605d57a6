#!/bin/bash
# Brings up a Neuron instance (inf2, trn1 or trn2; Ubuntu 24.04), runs `nox -s neuron` and sends the bundle away.
#
# It is EC2 user data: cloud-init runs it once, as root. Parameters are environment variables, which README.md beside
# this file shows how to put in front of it. There are no secrets among them: S3 is reached by the instance's role.
#
#   NEURON_PIP_INDEX   AWS's package index for pip (see "Install" in the Neuron documentation)
#   NEURON_APT_INDEX   AWS's package index for apt, likewise; not needed where the image has the driver
#   ONEBLOCK_REPO      what to clone: an address that git understands
#   ONEBLOCK_REF       which commit, tag or branch of it          [default: main]
#   ONEBLOCK_WORDS     words for `nox -s neuron --`, e.g. "--tier smoke"
#   ONEBLOCK_S3        where the bundle and the log go, s3://BUCKET/FOLDER; without it they stay on the instance
#   ONEBLOCK_MINUTES   when the instance shuts down, whatever happens   [default: 120]
#   ONEBLOCK_HOME      the folder to work in                      [default: /opt/oneblock]
#
# `--dry-run` prints each step and runs none.
set -euo pipefail

DRY_RUN=
case "$*" in
    '') ;;
    --dry-run) DRY_RUN=yes ;;
    *) printf 'user-data.sh: expected nothing or --dry-run, got: %s\n' "$*" >&2; exit 2 ;;
esac
export HOME=${HOME:-/root} DEBIAN_FRONTEND=noninteractive
REF=${ONEBLOCK_REF:-main}
MINUTES=${ONEBLOCK_MINUTES:-120}
WORK=${ONEBLOCK_HOME:-/opt/oneblock}
LOG=$WORK/oneblock.log
BUNDLE=$WORK/source/neuron-study.tar.gz
APT=(apt-get -y -o DPkg::Lock::Timeout=600)  # a young instance is upgrading itself
KEYRING=/etc/apt/keyrings/neuron.gpg

run() {  # a step: said, and done unless this is a dry run
    printf '+ %s\n' "$*"
    [ -n "$DRY_RUN" ] || "$@"
}

die() {
    printf 'user-data.sh: %s\n' "$*" >&2
    exit 2
}

arm_the_timer() {  # first of all: whatever fails afterwards, the instance does not stay
    if ! [[ $MINUTES =~ ^[1-9][0-9]*$ ]]; then
        run shutdown -h +10
        die "ONEBLOCK_MINUTES: expected a number of minutes, got '$MINUTES'; the instance goes in 10"
    fi
    run shutdown -h "+$MINUTES"
}

check_parameters() {
    [ -n "${NEURON_PIP_INDEX:-}" ] || die "NEURON_PIP_INDEX is not set: PyPI has empty packages of AWS's names"
    [ -n "${ONEBLOCK_REPO:-}" ] || die "ONEBLOCK_REPO is not set: expected what to clone"
    export NEURON_PIP_INDEX
}

install_driver() {  # as AWS's page "Install PyTorch via manual installation" does, at the versions of Neuron SDK 2.32
    run "${APT[@]}" update
    run "${APT[@]}" install git g++ python3-venv gnupg curl
    if [ -e /sys/module/neuron ]; then
        printf 'the driver is here already\n'
        return
    fi
    [ -n "${NEURON_APT_INDEX:-}" ] || die "there is no Neuron driver, and NEURON_APT_INDEX is not set"
    run curl -fsSL -o "$WORK/neuron.key" "$NEURON_APT_INDEX/GPG-PUB-KEY-AMAZON-AWS-NEURON.PUB"
    run gpg --batch --no-default-keyring --keyring "gnupg-ring:$KEYRING" --import "$WORK/neuron.key"
    run chmod 644 "$KEYRING"
    # Not through a pipe, of which a dry run reads nothing.
    run tee /etc/apt/sources.list.d/neuron.list <<< "deb [signed-by=$KEYRING] $NEURON_APT_INDEX noble main"
    run "${APT[@]}" update
    run "${APT[@]}" install "linux-headers-$(uname -r)" 'aws-neuronx-dkms=2.30.2.0*' \
        'aws-neuronx-collectives=2.34.10.0*' 'aws-neuronx-runtime-lib=2.34.10.0*' 'aws-neuronx-tools=2.32.28.0*'
    run modprobe neuron
}

study() {
    run git clone "$ONEBLOCK_REPO" "$WORK/source"
    run git -C "$WORK/source" checkout "$REF"
    run python3 -m venv "$WORK/nox"
    run "$WORK/nox/bin/pip" install nox virtualenv awscli
    export PATH=/opt/aws/neuron/bin:$WORK/nox/bin:$PATH
    local words=()
    read -ra words <<< "${ONEBLOCK_WORDS:-}"
    run nox --noxfile "$WORK/source/noxfile.py" -s neuron -- "${words[@]}"
}

send() {  # what there is, however far it came; without a place to send it to, the timer leaves time to fetch it
    local status=$?
    [ "$status" -eq 0 ] || printf 'user-data.sh: ended with status %s\n' "$status"
    [ -n "${ONEBLOCK_S3:-}" ] || return 0
    if [ -n "$DRY_RUN" ] || [ -e "$BUNDLE" ]; then
        run "$WORK/nox/bin/aws" s3 cp "$BUNDLE" "$ONEBLOCK_S3/"
    fi
    run "$WORK/nox/bin/aws" s3 cp "$LOG" "$ONEBLOCK_S3/"
    run shutdown -h now
}

arm_the_timer
check_parameters
run mkdir -p "$WORK"
[ -n "$DRY_RUN" ] || exec > >(tee -a "$LOG") 2>&1
trap send EXIT
install_driver
study
