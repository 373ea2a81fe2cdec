# Completes the line $3 in an interactive zsh, with the functions in $2, and prints each match as <match>.
# $1 is this file: the inner zsh reads it too.
if [[ -o interactive ]]; then
    fpath=($2 $fpath)
    autoload -Uz compinit
    compinit -D -u
    compadd() {
        if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
            builtin compadd "$@"
            return
        fi
        local -a hits
        builtin compadd -A hits "$@"
        (( $#hits )) && print -rl -- "<"${^hits}">"
        builtin compadd "$@"
    }
    finish() {
        print "<END>"
        exit
    }
    comppostfuncs=(finish)
    bindkey '^I' complete-word
    print "<READY>"
    return
fi
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner "source $1 $1 $2"
zpty -r inner out '*<READY>*'
zpty -w -n inner "$3"$'\t'
zpty -r inner out '*<END>*'
print -r -- "$out"
