# Completes resumed. Made by: resumed completions bash
_resumed() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= kind= values= flags=
    [ "$COMP_CWORD" -eq 1 ] || command=${COMP_WORDS[1]}
    COMPREPLY=()
    case $command in
        put)
            case $prev in
                --user-file | --ca) kind=files ;;
                --user | --fingerprint | --jobs | --give-up-after) return ;;
                *) flags='--user --user-file --ca --fingerprint --jobs --give-up-after --no-check -q --quiet --json -h --help -V --version' kind=files ;;
            esac
            ;;
        hash-password)
            case $prev in
                *) flags='-h --help -V --version' kind=none ;;
            esac
            ;;
        health)
            case $prev in
                *) flags='-h --help -V --version' kind=none ;;
            esac
            ;;
        completions)
            case $prev in
                *) flags='-h --help -V --version' values='bash zsh fish' ;;
            esac
            ;;
        man)
            case $prev in
                *) flags='-h --help -V --version' kind=none ;;
            esac
            ;;
        help)
            case $prev in
                *) flags='-h --help -V --version' values='serve put hash-password health completions man version' ;;
            esac
            ;;
        version)
            case $prev in
                *) flags='-h --help -V --version' kind=none ;;
            esac
            ;;
        *)
            case $prev in
                --tls-cert | --tls-key | --user-file) kind=files ;;
                --sync) values='durable fast' ;;
                --on-conflict) values='keep-both replace' ;;
                --log-format) values='text json' ;;
                -l | --listen | --socket-mode | --max-size | --min-free | --min-free-inodes | --expire | --max-partials | --max-partials-per-user | --quota | --user | --failed-logins | --allow-origin | --host | --public-url | --on-complete | --hook-timeout | --workers | --max-connections | --max-connections-per-address | --head-memory | --head-timeout | --idle-timeout | --min-rate) return ;;
                *) flags='-h --help -V --version -l --listen --socket-mode --tls-cert --tls-key --tls-self-signed --hsts --qr --max-size --min-free --min-free-inodes --expire --max-partials --max-partials-per-user --quota --sync --on-conflict --sha256 --shared --user --user-file --failed-logins --user-dirs --allow-origin --host --public-url --trust-proxy --no-interim --allow-root --allow-anonymous --on-complete --hook-timeout --log-format --metrics --workers --max-connections --max-connections-per-address --head-memory --head-timeout --idle-timeout --min-rate' kind=directories ;;
            esac
            ;;
    esac
    case $cur in
        -*) values=$flags kind= ;;
        *) [ "$COMP_CWORD" -gt 1 ] || values='serve put hash-password health completions man help version' ;;
    esac
    mapfile -t COMPREPLY < <(
        [ -z "$values" ] || compgen -W "$values" -- "$cur"
        [ "$kind" != files ] || compgen -f -- "$cur"
        [ "$kind" != directories ] || compgen -d -- "$cur"
    )
}
complete -o filenames -F _resumed resumed
