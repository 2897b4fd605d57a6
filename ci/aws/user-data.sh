#!/bin/bash
# Brings up a Neuron instance (inf2, trn1 or trn2; Ubuntu 24.04), runs `nox -s neuron` and sends the bundle away.
#
# It is EC2 user data: cloud-init runs it once, as root. Parameters are environment variables, which README.md beside
# this file shows how to put in front of it. There are no secrets among them: S3 is reached by the instance's role.
#
#   NEURON_PIP_INDEX   AWS's package index for pip (see "Install" in the Neuron documentation)
#   NEURON_APT_INDEX   AWS's package index for apt, likewise; not needed where the image has the driver
#   NEURON_APT_KEY     the fingerprint of that index's key, 40 digits, from AWS's documentation and not from the index
#   ONEBLOCK_REPO      what to clone: an address that git understands, without a name or a token in it
#   ONEBLOCK_REF       which commit of it, 40 digits: a branch or a tag may be another's by then
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
REF=${ONEBLOCK_REF:-}
MINUTES=${ONEBLOCK_MINUTES:-120}
WORK=${ONEBLOCK_HOME:-/opt/oneblock}
LOG=$WORK/oneblock.log
BUNDLE=$WORK/source/neuron-study.tar.gz
APT=(apt-get -y -o DPkg::Lock::Timeout=600)  # a young instance is upgrading itself
KEYRING=/etc/apt/keyrings/neuron.gpg
TOOLS=(nox==2026.10.20 virtualenv==21.15.11 awscli==1.46.3)
USER_OF_IT=oneblock  # who clones, installs and measures; root installs the driver and ends the instance

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
    # Steps are printed, the log is sent, and user data can be read by all that runs on the instance.
    [[ $ONEBLOCK_REPO != *://*@* ]] || die "ONEBLOCK_REPO: expected an address without a name or a token in it"
    [[ $REF =~ ^[0-9a-f]{40}$ ]] || die "ONEBLOCK_REF: expected a commit's 40 digits, got '$REF'"
    export NEURON_PIP_INDEX
}

check_key() {  # the key comes from where the packages come from: whoever changed those would change it
    local fields found=
    if [ -n "$DRY_RUN" ]; then
        printf '+ compare the fingerprint of %s with %s\n' "$1" "$NEURON_APT_KEY"
        return
    fi
    while IFS=: read -ra fields; do  # of one key, which may have others under it
        case ${fields[0]} in
            pub) found=${found:+several}; ;;
            fpr) found=${found:-${fields[9]}} ;;
        esac
    done < <(gpg --batch --show-keys --with-colons "$1")
    [ "$found" = "$NEURON_APT_KEY" ] \
        || die "the key of apt's index: expected one of the fingerprint $NEURON_APT_KEY, got ${found:-none}"
}

as_user() {
    run runuser -u "$USER_OF_IT" -- env "HOME=$WORK" "PATH=$PATH" "$@"
}

install_driver() {  # as AWS's page "Install PyTorch via manual installation" does, at the versions of Neuron SDK 2.32
    run "${APT[@]}" update
    run "${APT[@]}" install git g++ python3-venv gnupg curl
    if [ -e /sys/module/neuron ]; then
        printf 'the driver is here already\n'
        return
    fi
    [ -n "${NEURON_APT_INDEX:-}" ] || die "there is no Neuron driver, and NEURON_APT_INDEX is not set"
    [[ ${NEURON_APT_KEY:-} =~ ^[0-9A-F]{40}$ ]] || die "NEURON_APT_KEY: expected a fingerprint of 40 digits"
    run curl -fsSL -o "$WORK/neuron.key" "$NEURON_APT_INDEX/GPG-PUB-KEY-AMAZON-AWS-NEURON.PUB"
    check_key "$WORK/neuron.key"
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
    run useradd --system --home-dir "$WORK" --shell /usr/sbin/nologin "$USER_OF_IT"
    run chown "$USER_OF_IT" "$WORK"
    as_user git clone "$ONEBLOCK_REPO" "$WORK/source"
    as_user git -C "$WORK/source" checkout --detach "$REF"
    as_user python3 -m venv "$WORK/nox"
    as_user "$WORK/nox/bin/pip" install "${TOOLS[@]}"
    PATH=/opt/aws/neuron/bin:$WORK/nox/bin:$PATH
    local words=()
    read -ra words <<< "${ONEBLOCK_WORDS:-}"
    as_user nox --noxfile "$WORK/source/noxfile.py" -s neuron -- "${words[@]}"
}

send() {  # what there is, however far it came; without a place to send it to, the timer leaves time to fetch it
    local status=$?
    [ "$status" -eq 0 ] || printf 'user-data.sh: ended with status %s\n' "$status"
    [ -n "${ONEBLOCK_S3:-}" ] || return 0
    if [ -n "$DRY_RUN" ] || [ -e "$BUNDLE" ]; then
        as_user "$WORK/nox/bin/aws" s3 cp "$BUNDLE" "$ONEBLOCK_S3/"
    fi
    as_user "$WORK/nox/bin/aws" s3 cp "$LOG" "$ONEBLOCK_S3/"
    run shutdown -h now
}

arm_the_timer
check_parameters
run mkdir -p "$WORK"
[ -n "$DRY_RUN" ] || exec > >(tee -a "$LOG") 2>&1
trap send EXIT
install_driver
study
