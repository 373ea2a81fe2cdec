# Makes and mounts a file system in the working directory: mounts.sh make|mount|umount|end|slow|fast KIND [rw|ro]
# The mount is `at`. A kind whose disk is one image has it in `image`.
set -e
step=$1 kind=$2 mode=${3:-rw}
export PATH="$PATH:/usr/sbin:/sbin"

# image MIB COMMAND..: makes an image with a file system.
image() {
    truncate -s "$1M" image
    shift
    "$@" image >mkfs 2>&1 || { cat mkfs >&2; exit 1; }
}

# below NAME OPTION..: an ext4, for a file system on top of it.
below() {
    dir=$1
    shift
    truncate -s 64M "$dir.image"
    mkfs.ext4 -q "$@" "$dir.image"
    mkdir "$dir"
    mount -o loop "$dir.image" "$dir"
}

needs() {
    for tool; do
        command -v "$tool" >found || { echo "there is no $tool" >&2; exit 1; }
    done
}

is_mounted() {
    grep -q " $1 " /proc/mounts
}

kernel_has() {
    modprobe -q "$1" 2>found || true
    grep -qw "$1" /proc/filesystems || { echo "the kernel has no $1" >&2; exit 1; }
}

make() {
    mkdir at
    case $kind in
    ext4) image 64 mkfs.ext4 -q ;;
    ext4-no-journal) image 64 mkfs.ext4 -q -O ^has_journal ;;
    ext4-fast-commit) image 128 mkfs.ext4 -q -O fast_commit ;;
    ext4-casefold)
        image 64 mkfs.ext4 -q -O casefold -E encoding=utf8
        mount -o loop image at
        mkdir at/uploads
        chattr +F at/uploads
        umount at
        ;;
    xfs) kernel_has xfs; image 320 mkfs.xfs -q ;;
    btrfs) kernel_has btrfs; image 256 mkfs.btrfs -q ;;
    f2fs) kernel_has f2fs; needs mkfs.f2fs; image 128 mkfs.f2fs -q ;;
    vfat) kernel_has vfat; image 64 mkfs.vfat -F 32 ;;
    exfat) kernel_has exfat; image 64 mkfs.exfat ;;
    ntfs3) kernel_has ntfs3; image 64 mkfs.ntfs -F -Q ;;
    exfat-fuse) needs mount.exfat-fuse; image 64 mkfs.exfat ;;
    ntfs-3g) needs mount.ntfs-3g; image 64 mkfs.ntfs -F -Q ;;
    slow)
        # Larger than the free space that a server keeps.
        image 256 mkfs.ext4 -q
        modprobe dm-delay
        losetup --find --show image >device
        dmsetup create resumed-slow --table "$(delays 0)"
        # Without udev, nobody else makes the device.
        dmsetup mknodes resumed-slow
        ;;
    tmpfs) mkdir far; mount -t tmpfs -o size=64M tmpfs far ;;
    overlay) kernel_has overlay; below far; mkdir far/l far/u far/w ;;
    mergerfs) needs mergerfs; below far; below far2 ;;
    bindfs) needs bindfs; below far ;;
    encfs) needs encfs; below far ;;
    sshfs)
        needs sshfs /usr/lib/openssh/sftp-server
        below far
        printf '#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n' >ssh
        chmod +x ssh
        ;;
    nfs) make_nfs ;;
    cifs) make_cifs ;;
    esac
}

# delays MS: the table of a disk on which each flush takes so long.
delays() {
    read -r device <device
    echo "0 $(blockdev --getsz "$device") delay $device 0 0 $device 0 0 $device 0 $1"
}

delay_flushes() {
    dmsetup suspend --noflush --nolockfs resumed-slow
    dmsetup load resumed-slow --table "$(delays "$1")"
    dmsetup resume resumed-slow
}

make_nfs() {
    kernel_has nfs4
    kernel_has nfsd
    needs rpc.nfsd rpc.mountd mount.nfs4
    # Without space for root only: the server of the file system is root, and would fill it.
    below far -m 0
    is_mounted /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
    touch /var/lib/nfs/etab /var/lib/nfs/rmtab
    # The root of NFS 4. Otherwise the folders above must be exportable.
    exportfs -i -o rw,no_root_squash,no_subtree_check,insecure,fsid=0 "127.0.0.1:$PWD/far"
    rpc.mountd --no-nfs-version 3
    rpc.nfsd --no-nfs-version 3 --lease-time 10 --grace-time 10 2
}

make_cifs() {
    kernel_has cifs
    needs smbd mount.cifs
    below far -m 0
    mkdir samba
    cat >smb.conf <<END
[global]
  smb ports = 4450
  interfaces = lo
  bind interfaces only = yes
  guest account = root
  lock directory = $PWD/samba
  state directory = $PWD/samba
  cache directory = $PWD/samba
  private dir = $PWD/samba
  pid directory = $PWD/samba
  ncalrpc dir = $PWD/samba
  log file = $PWD/samba/log
[far]
  path = $PWD/far
  read only = no
END
    printf 'word\nword\n' | smbpasswd -c smb.conf -s -a root >made
    smbd -s smb.conf -D
    # Until the server listens on the port: 0x1162 is 4450.
    tries=0
    until grep -q ':1162 00000000:0000 0A' /proc/net/tcp; do
        [ $((tries += 1)) -lt 600 ] || { cat samba/log* >&2; exit 1; }
        sleep 0.1
    done
}

mount_it() {
    case $kind in
    vfat) mount -t vfat -o "loop,utf8,$mode" image at ;;
    exfat | ntfs3) mount -i -t "$kind" -o "loop,$mode" image at ;;
    exfat-fuse | ntfs-3g) mount -t "$kind" -o "loop,$mode" image at >mounted 2>&1 || { cat mounted >&2; exit 1; } ;;
    slow) mount -o "$mode" /dev/mapper/resumed-slow at ;;
    tmpfs) mount --bind far at; mount -o "remount,bind,$mode" at ;;
    overlay) mount -t overlay -o "lowerdir=far/l,upperdir=far/u,workdir=far/w,$mode" overlay at ;;
    mergerfs) mergerfs -o "category.create=mfs,minfreespace=4K,$mode" "$PWD/far:$PWD/far2" at ;;
    bindfs) bindfs -o "$mode" far at ;;
    encfs) echo password | encfs --standard --stdinpass "$PWD/far" "$PWD/at" -- -o "$mode" >mounted ;;
    sshfs) sshfs -o "ssh_command=$PWD/ssh,$mode" "far:$PWD/far" at ;;
    nfs) mount -t nfs4 -o "$mode" 127.0.0.1:/ at ;;
    cifs) mount -t cifs -o "user=root,password=word,vers=3.1.1,port=4450,$mode" //127.0.0.1/far at ;;
    *) mount -o "loop,$mode" image at ;;
    esac
}

# The process of a FUSE file system ends a moment after the last use.
unmount() {
    is_mounted "$PWD/$1" || return 0
    tries=0
    until umount "$1" 2>umounted; do
        [ $((tries += 1)) -lt 100 ] || { cat umounted >&2; exit 1; }
        sleep 0.1
    done
    # The kernel releases the loop device a moment later.
    tries=0
    while [ -n "$(losetup --associated image 2>umounted)" ] && [ $((tries += 1)) -lt 100 ]; do sleep 0.1; done
}

end() {
    unmount at
    case $kind in
    nfs)
        exportfs -u "127.0.0.1:$PWD/far" || true
        rpc.nfsd 0 || true
        ! pids=$(pidof rpc.mountd) || kill $pids
        ;;
    slow)
        dmsetup remove resumed-slow
        losetup --detach "$(cat device)"
        ;;
    cifs) ! read -r pid <samba/smbd.pid || kill "$pid" ;;
    esac
    for dir in far far2; do
        [ ! -d $dir ] || unmount $dir
    done
}

case $step in
make) make ;;
mount) mount_it ;;
umount) unmount at ;;
slow) delay_flushes 12000 ;;
fast) delay_flushes 0 ;;
end) end ;;
esac
