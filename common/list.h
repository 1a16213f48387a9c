/* list.h - intrusive doubly linked list: no allocation, removal in one step.
 *
 * A head and each element are a struct gg_link. An element not in a list has both
 * pointers NULL. GG_CONTAINER gets from a link to what it is embedded in.
 */
#ifndef GG_COMMON_LIST_H
#define GG_COMMON_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct gg_link {
    struct gg_link *prev;
    struct gg_link *next;
};

#define GG_CONTAINER(link, type, member)                                               \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void gg_list_init(struct gg_link *head)
{
    head->prev = head;
    head->next = head;
}

static inline bool gg_list_empty(const struct gg_link *head)
{
    return head->next == head;
}

static inline bool gg_list_linked(const struct gg_link *link)
{
    return link->next != NULL;
}

static inline void gg_list_insert_after(struct gg_link *at, struct gg_link *link)
{
    link->prev = at;
    link->next = at->next;
    at->next->prev = link;
    at->next = link;
}

static inline void gg_list_push_back(struct gg_link *head, struct gg_link *link)
{
    gg_list_insert_after(head->prev, link);
}

static inline void gg_list_push_front(struct gg_link *head, struct gg_link *link)
{
    gg_list_insert_after(head, link);
}

/* Take `link` out of whatever list it is in; harmless when it is in none. */
static inline void gg_list_remove(struct gg_link *link)
{
    if (link->next != NULL) {
        link->prev->next = link->next;
        link->next->prev = link->prev;
        link->prev = NULL;
        link->next = NULL;
    }
}

/* The first element, or NULL when the list is empty. */
static inline struct gg_link *gg_list_first(const struct gg_link *head)
{
    return head->next == head ? NULL : head->next;
}

/* Walk a list; the element at hand may be removed, its successor may not. */
#define GG_LIST_EACH(head, it)                                                         \
    for (struct gg_link *it = (head)->next, *it##_next = it->next; it != (head);       \
         it = it##_next, it##_next = it->next)

#endif
