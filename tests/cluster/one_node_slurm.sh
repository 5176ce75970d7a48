#!/bin/sh
# A Slurm cluster of one node on loopback, all of it below one folder:
#
#     one_node_slurm.sh up FOLDER      start munged, slurmctld and slurmd; then: export SLURM_CONF=FOLDER/slurm.conf
#     one_node_slurm.sh down FOLDER    end them
#
# Needs root, and on Debian: apt-get install slurmctld slurmd slurm-client munge
set -eu

folder=$2

down() {
    for name in slurmd slurmctld munged; do
        [ ! -f "$folder/$name.pid" ] || kill "$(cat "$folder/$name.pid")" 2>/dev/null || true
    done
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

up() {
    host=$(hostname -s)
    user=$(id -un)
    mkdir -p "$folder/state" "$folder/spool"
    head -c 1024 /dev/urandom > "$folder/munge.key"
    chmod 400 "$folder/munge.key"
    munged --force --socket="$folder/munge.sock" --key-file="$folder/munge.key" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
    # no cgroups and no accounting: neither is there in a plain container
    echo 'CgroupPlugin=disabled' > "$folder/cgroup.conf"
    # two pretended GPUs: Slurm counts the devices and numbers them for each job
    printf 'Name=gpu File=%s\n' /dev/null /dev/zero > "$folder/gres.conf"
    cat > "$folder/slurm.conf" <<EOF
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
# a job that is put back into the queue may start again after cred_expire seconds, 120 by default
AuthInfo=socket=$folder/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1
MinJobAge=60
KillWait=1
ReturnToService=2
MpiDefault=none
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 Gres=gpu:2 State=UNKNOWN
PartitionName=loop Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
    export SLURM_CONF="$folder/slurm.conf"
    slurmctld -f "$SLURM_CONF"
    slurmd -f "$SLURM_CONF"
    for _ in $(seq 60); do
        ! sinfo --noheader --format=%T | grep -q idle || return 0
        sleep 0.5
    done
    echo "the node did not come up: $(tail -n 3 "$folder/slurmctld.log" "$folder/slurmd.log")" >&2
    down
    return 1
}

"$1"
