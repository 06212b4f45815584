#ifndef PROXY_CONFIG_PAIRS_H
#define PROXY_CONFIG_PAIRS_H

/*
 * The value of an entry in [databases] or [users]: `key=value key='quoted value' ...`. Inside single quotes '' is a quote and everything
 * else is itself; an unquoted value ends at a blank. Blanks around the = do not matter.
 */
enum config_pair_result { CONFIG_PAIR, CONFIG_PAIRS_END, CONFIG_PAIRS_BAD };

/*
 * The next pair of `*rest`, which is changed in place and moved behind it. On CONFIG_PAIRS_BAD `*why_out` says what is missing, without
 * quoting the text: it may be a part of a password.
 */
enum config_pair_result config_pairs_next(char **rest, char **key_out, char **value_out, const char **why_out);
/* If the whole of `text` is one quoted value, undo the quotes in place. Returns the value: behind the quote, or `text` as it is. */
char *config_pairs_unquote(char *text);

#endif
