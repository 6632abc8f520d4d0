// Keeps the pages for when there is no network. What is asked of services is never kept.
