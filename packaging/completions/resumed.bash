# Completes resumed, resumed put, resumed hash-password and resumed health.
_resumed() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} flags
    COMPREPLY=()
    case $prev in
        --user-file | --tls-cert | --tls-key | --ca) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        --sync) mapfile -t COMPREPLY < <(compgen -W 'durable fast' -- "$cur") ;;
        --log-format) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$cur") ;;
        --on-conflict) mapfile -t COMPREPLY < <(compgen -W 'keep-both replace' -- "$cur") ;;
        --max-partials | --max-partials-per-user | --quota) return ;;
        -l | --listen | --socket-mode | --max-size | --min-free | --expire | --user | --allow-origin) return ;;
        --min-free-inodes) return ;;
        --host | --public-url | --on-complete | --hook-timeout | --workers | --max-connections) return ;;
        --max-connections-per-address | --head-timeout | --head-memory | --idle-timeout | --min-rate) return ;;
        --failed-logins | --give-up-after | --jobs | --fingerprint) return ;;
    esac
    [ ${#COMPREPLY[@]} -eq 0 ] || return
    if [ "${COMP_WORDS[1]}" = put ] && [ "$COMP_CWORD" -gt 1 ]; then
        flags='-q --quiet -h --help -V --version --user --user-file --ca --fingerprint --jobs --give-up-after --no-check --json'
    else
        flags='--max-partials --max-partials-per-user --quota
            --failed-logins
            -l --listen --socket-mode --tls-cert --tls-key --tls-self-signed --hsts --qr --max-size --min-free --min-free-inodes --expire --sync --on-conflict --user
            --user-file --user-dirs --allow-origin --host --public-url --trust-proxy --no-interim --sha256 --shared --allow-root --allow-anonymous --on-complete
            --hook-timeout --log-format --metrics --workers --max-connections --max-connections-per-address --head-timeout --head-memory
            --idle-timeout --min-rate -h --help -V --version'
    fi
    case $cur in
        -*) mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur") ;;
        *) mapfile -t COMPREPLY < <(
            [ "$COMP_CWORD" -gt 1 ] || compgen -W 'serve put hash-password health help' -- "$cur"
            compgen -f -- "$cur"
        ) ;;
    esac
}
complete -o filenames -F _resumed resumed
